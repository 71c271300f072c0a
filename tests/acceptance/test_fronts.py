"""
Real programs in front of the endpoint, as people put them there: haproxy, nginx, squid.

What they say when they reach nobody, or take no more at once, is theirs and changes with their versions.
"""

import os
import shutil
import socket
from urllib.parse import urlsplit

import pytest

from process import Running, Station

pytestmark = pytest.mark.slow(45)

JOBS = 12


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def front(station: Station, port: int, *command: str) -> Running:
    """
    Start a program in front, and wait until it listens.
    """
    running = station.run(*command)
    running.until(lambda: accepts(port))
    return running


def haproxy(station: Station, upstream: str, server: str = "") -> str:
    """
    Start haproxy before an endpoint; return the address to ask.
    """
    port, config = free_port(), station.home / "haproxy.cfg"
    config.write_text(
        f"""
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout queue 100ms
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server one {urlsplit(upstream).netloc} {server}
"""
    )
    front(station, port, program("haproxy"), "-db", "-f", os.fspath(config))
    return f"http://127.0.0.1:{port}/v1"


def nginx(station: Station, upstream: str, zone: str = "", limit: str = "") -> str:
    """
    Start nginx before an endpoint; return the address to ask.
    """
    port, place = free_port(), station.home / "nginx"
    place.mkdir()
    config = place / "nginx.conf"
    config.write_text(
        f"""
daemon off; pid {place}/pid; error_log stderr; worker_processes 1; user root;
events {{ worker_connections 64; }}
http {{
    access_log off; client_max_body_size 50m; proxy_read_timeout 60s;
    client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;
    uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;
    {zone}
    server {{
        listen 127.0.0.1:{port};
        location / {{ {limit} proxy_pass http://{urlsplit(upstream).netloc}; }}
    }}
}}
"""
    )
    front(station, port, program("nginx"), "-p", os.fspath(place), "-c", os.fspath(config))
    return f"http://127.0.0.1:{port}/v1"


def drain(station: Station, url: str) -> Running:
    """
    Work off twelve jobs, four at once.
    """
    station.configure(endpoint={"base_url": url})
    for number in range(JOBS):
        station.drop(f"job{number:02}.png")
    running = station.start("once")
    running.end(within=120)
    return running


def test_haproxy_with_one_place_fails_no_file(station: Station) -> None:
    """
    It queues what is too much for 100 ms and then answers 503: fewer are sent at once, and all are done.
    """
    endpoint = station.endpoint("latency=0.3")
    url = haproxy(station, endpoint.url, "maxconn 1")

    running = drain(station, url)

    assert len(station.tree("outbox")) == JOBS
    assert station.tree("error") == []
    assert len(endpoint.requests) == JOBS
    turned_away = len(running.events("request.failed"))
    assert 0 < turned_away <= JOBS


def test_nginx_that_limits_requests_by_503_fails_no_file(station: Station) -> None:
    """
    Two a second, and whatever comes sooner is a 503: everybody slows down, and all are done.
    """
    endpoint = station.endpoint()
    zone = "limit_req_zone $server_addr zone=z:1m rate=2r/s;"
    url = nginx(station, endpoint.url, zone, "limit_req zone=z;")

    running = drain(station, url)

    assert len(station.tree("outbox")) == JOBS
    assert station.tree("error") == []
    assert len(endpoint.requests) == JOBS
    assert running.events("request.failed")


def squid(station: Station) -> str:
    """
    Start squid; return the address of the proxy.
    """
    port, place = free_port(), station.home / "squid"
    place.mkdir()
    place.chmod(0o777)
    config = place / "squid.conf"
    config.write_text(
        f"""
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
access_log none
cache_log {place}/cache.log
cache_store_log none
pid_filename none
coredump_dir {place}
dns_nameservers 127.0.0.1
dns_timeout 1 second
connect_timeout 2 seconds
forward_max_tries 1
shutdown_lifetime 0 seconds
"""
    )
    front(station, port, program("squid"), "-N", "-f", os.fspath(config))
    return f"http://127.0.0.1:{port}"


def test_squid_that_knows_no_address_costs_nothing(station: Station) -> None:
    """
    A plain http endpoint whose name nobody knows is an outage, and nothing is in doubt.
    """
    proxy = squid(station)
    station.configure(endpoint={"base_url": "http://nowhere.invalid/v1", "timeout_seconds": 20})
    station.drop("cat.png")

    running = station.start("run", http_proxy=proxy, no_proxy="")
    running.until(lambda: running.events("request.failed"))

    failed = running.events("request.failed")[0]
    assert failed["http_status"] in (502, 503, 504)
    assert failed["verdict"] == "transient", failed
    assert station.tree("error") == []


def test_haproxy_without_a_server_costs_nothing(station: Station) -> None:
    """
    The server behind it is down: 503, and the file waits for it.
    """
    url = haproxy(station, f"http://127.0.0.1:{free_port()}")
    station.configure(endpoint={"base_url": url})
    station.drop("cat.png")

    running = station.start("run")
    running.until(lambda: running.events("daemon.paused"))

    assert {line["verdict"] for line in running.events("request.failed")} == {"transient"}
    assert running.events("daemon.paused")[0]["cause"] == "outage"
    assert station.tree("error") == []
