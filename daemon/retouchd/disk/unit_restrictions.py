"""
Which setting of our systemd unit makes a folder read-only for us, or hides it, and how to mend that.
"""

from pathlib import Path

from retouchd.disk.filesystems import mount_above
from retouchd.disk.systemd_unit import own_unit

_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - whether they are the machine's is what is asked


def kept_by_unit(path: Path) -> str | None:
    """
    Return what of our unit keeps a folder from being used and what to do, None where nothing of it does.
    """
    unit, mount = own_unit(), mount_above(path)
    if unit is None or mount is None:
        return None
    edit = f"with `{unit.command('edit')}`, under [Service]"
    if mount.point in _TEMPORARY and "systemd-private-" in mount.root:
        return (
            f"{path} is not the machine's for {unit.name}, which has a {mount.point} of its own "
            f"(PrivateTmp=). Give the folder a place elsewhere, such as below /srv."
        )
    if mount.root.startswith("/systemd/inaccessible") or (
        mount.point in _HOMES and mount.kind == "tmpfs"
    ):
        setting = "ProtectHome=" if mount.point in _HOMES else "InaccessiblePaths="
        mend = f"ProtectHome=read-only and ReadWritePaths={path}" if mount.point in _HOMES else "it"
        return (
            f"{path} is hidden from {unit.name}, whose {setting} keeps {mount.point} away. Give the "
            f"folder a place elsewhere, such as below /srv, or set {mend} {edit}."
        )
    if mount.is_sealed:
        return (
            f"{path} is read-only for {unit.name}: the unit's ReadWritePaths= does not hold it. Add "
            f"ReadWritePaths={path} {edit}."
        )
    return None
