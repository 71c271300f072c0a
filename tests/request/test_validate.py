from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.endpoint.styles import STYLES, StyleName
from retouchd.errors import JobCode
from retouchd.job.model import Scalar
from retouchd.request.limits import TABLE, Picture, limits_for
from retouchd.request.validate import (
    check_count,
    check_image,
    check_mask,
    check_request,
    request_faults,
)

MB = 2**20
MODELS = [*(name.rstrip("*") for name in TABLE), "flux"]


def picture(**changes: Any) -> Picture:
    values: dict[str, Any] = {
        "format": "png",
        "width": 640,
        "height": 480,
        "mode": "RGBA",
        "has_alpha": True,
        "has_transparency": True,
        "size_bytes": 100_000,
    }
    return Picture(**values | changes)


def faults(model: str, **parameters: Scalar) -> list[str]:
    problems = check_request(model, "make it blue", parameters, limits_for(model))
    assert all(problem.code is JobCode.PARAMETER_INVALID for problem in problems)
    return [f"{problem.message} {problem.hint}" for problem in problems]


def codes(problems: Any) -> list[JobCode]:
    return [problem.code for problem in problems]


@pytest.mark.parametrize("model", MODELS)
def test_request_without_parameters_is_fine(model: str) -> None:
    """
    A prompt alone is a request that every model takes.
    """
    assert faults(model) == []


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        ("dall-e-2", "n", "10"),
        ("dall-e-2", "n", 1),
        ("dall-e-2", "size", "512x512"),
        ("dall-e-2", "quality", "standard"),
        ("dall-e-2", "response_format", "b64_json"),
        ("dall-e-2", "user", "me"),
        ("gpt-image-1", "size", "auto"),
        ("gpt-image-1", "size", "1024x1536"),
        ("gpt-image-1", "quality", "high"),
        ("gpt-image-1", "input_fidelity", "high"),
        ("gpt-image-1-mini", "input_fidelity", "low"),
        ("gpt-image-1.5", "moderation", "low"),
        ("gpt-image-2", "size", "2048x1152"),
        ("gpt-image-2", "background", "transparent"),
        ("gpt-image-2", "output_format", "jpeg"),
        ("gpt-image-2", "output_compression", 100),
        ("gpt-image-2", "seed", 7),
        ("gpt-image-2.5-sunburst", "quality", "max"),
        ("gpt-image-2.6-flare", "quality", "xhigh"),
        ("gpt-image-2.5-flare", "input_fidelity", "high"),
        ("flux", "n", 50),
        ("flux", "size", "anything"),
        ("flux", "quality", "splendid"),
        ("flux", "output_compression", "much"),
        ("flux", "response_format", "b64_json"),
        ("flux", "background", "transparent"),
        ("flux", "stream", False),
        ("gpt-image-2", "partial_images", 0),
    ],
)
def test_legal_values_pass(model: str, key: str, value: Scalar) -> None:
    """
    What a model takes is not refused, as a number or as text; an unknown model takes anything.
    """
    assert faults(model, **{key: value}) == []


@pytest.mark.parametrize(
    ("model", "key", "value", "words"),
    [
        ("dall-e-2", "n", 11, "from 1 to 10"),
        ("gpt-image-2", "n", "0", "from 1 to 10"),
        ("gpt-image-2", "n", 2.5, 'n is "2.5"'),
        ("gpt-image-2", "n", True, 'n is "true"'),
        ("flux", "n", 0, "of 1 or more"),
        ("flux", "n", "many", "of 1 or more"),
        ("flux", "n", "9" * 5000, "of 1 or more"),
        ("dall-e-2", "size", "1536x1024", "Use 1024x1024"),
        ("dall-e-2", "size", "auto", "Use 256x256, 512x512 or 1024x1024"),
        ("gpt-image-1", "size", "1920x1080", "Use 1536x1024"),
        ("gpt-image-2", "size", "1000x1000", "Use 1008x1008"),
        ("gpt-image-2", "size", "huge", "a size such as"),
        ("dall-e-2", "quality", "high", "Use standard"),
        ("gpt-image-1", "quality", "standard", "auto, low, medium or high"),
        ("gpt-image-2", "quality", "hihg", 'Use "high"'),
        ("gpt-image-2", "quality", "max", "auto, low, medium or high"),
        ("gpt-image-2", "output_format", "jpg", 'Use "jpeg"'),
        ("gpt-image-2", "output_format", "PNG", 'Use "png"'),
        ("gpt-image-2", "background", "clear", "opaque"),
        ("gpt-image-1", "moderation", "none", "auto or low"),
        ("gpt-image-1-mini", "input_fidelity", "high", "Use low"),
        ("gpt-image-2", "input_fidelity", "high", "does not take input_fidelity"),
        ("gpt-image-1", "response_format", "b64_json", "always come within the answer"),
        ("dall-e-2", "output_format", "png", "only GPT image models"),
        ("flux", "stream", True, "only whole ones"),
        ("gpt-image-2", "partial_images", 1, "only whole ones"),
    ],
)
def test_illegal_values_are_named(model: str, key: str, value: Scalar, words: str) -> None:
    """
    A value that a model does not take is one problem that names the key and a way out.
    """
    found = faults(model, **{key: value})

    assert len(found) == 1
    assert key in found[0]
    assert words in found[0]


def test_compression_needs_a_format_that_knows_it() -> None:
    """
    PNG, which is also what comes unasked, takes no compression below 100; the others do.
    """
    assert faults("gpt-image-2", output_compression=80, output_format="jpeg") == []
    assert faults("gpt-image-2", output_compression="80", output_format="webp") == []
    assert len(faults("gpt-image-2", output_compression=80, output_format="png")) == 1
    assert len(faults("gpt-image-2", output_compression=80)) == 1
    assert len(faults("gpt-image-2", output_compression=101, output_format="jpeg")) == 1


def test_transparent_background_needs_a_format_that_knows_it() -> None:
    """
    A transparent background cannot be asked for in JPEG.
    """
    assert faults("gpt-image-1", background="transparent", output_format="webp") == []
    assert len(faults("gpt-image-1", background="transparent", output_format="jpeg")) == 1
    assert faults("gpt-image-1", background="opaque", output_format="jpeg") == []


@pytest.mark.parametrize("prompt", ["", "  \n\t"])
def test_empty_prompt_is_refused(prompt: str) -> None:
    """
    White space is no prompt, for any model.
    """
    for model in MODELS:
        problems = check_request(model, prompt, {}, limits_for(model))
        assert codes(problems) == [JobCode.PROMPT_EMPTY]


@pytest.mark.parametrize(("model", "longest"), [("dall-e-2", 1_000), ("gpt-image-1", 32_000)])
def test_prompt_is_counted_in_characters(model: str, longest: int) -> None:
    """
    The longest prompt may be of any characters; one more is too long, and the sentence counts.
    """
    limits = limits_for(model)

    assert check_request(model, "蓝" * longest, {}, limits) == []
    [problem] = check_request(model, "蓝" * (longest + 2), {}, limits)
    assert problem.code is JobCode.PROMPT_TOO_LONG
    assert f"{longest + 2:,}" in problem.message
    assert "by at least 2 characters" in problem.hint


def test_missing_prompt_is_not_judged_here() -> None:
    """
    A request without any prompt has its reason elsewhere.
    """
    assert check_request("gpt-image-2", None, {}, limits_for("gpt-image-2")) == []


def test_unknown_model_takes_a_long_prompt() -> None:
    """
    Where no length is known, none is refused.
    """
    assert check_request("flux", "x" * 100_000, {}, limits_for("flux")) == []


def test_all_faults_of_a_request_are_told_at_once() -> None:
    """
    Prompt, values and combinations are judged together.
    """
    parameters: dict[str, Scalar] = {"n": 99, "size": "9x9", "quality": "best", "stream": True}

    problems = check_request("gpt-image-2", "", parameters, limits_for("gpt-image-2"))

    assert codes(problems) == [JobCode.PROMPT_EMPTY] + [JobCode.PARAMETER_INVALID] * 4


def test_a_name_that_no_address_holds_is_no_models() -> None:
    """
    Some endpoints are asked by it in their address: it ends in one sentence, whatever else is wrong.
    """
    (fault,) = faults("m" * 70_000, n=0)

    assert "70000 characters" in fault
    assert len(fault) < 250
    assert '".." (2 characters) is no name of a model' in faults("..")[0]
    assert faults("m" * 256) == faults("..m") == []


def test_number_of_pictures_is_limited() -> None:
    """
    A picture with too many references is refused with both numbers; an unknown model takes any.
    """
    assert check_count("gpt-image-2", 16, limits_for("gpt-image-2")) == []
    assert check_count("flux", 99, limits_for("flux")) == []

    [many] = check_count("gpt-image-2", 17, limits_for("gpt-image-2"))
    [two] = check_count("dall-e-2", 2, limits_for("dall-e-2"))
    assert many.code is two.code is JobCode.REFERENCE_INVALID
    assert "17" in many.message
    assert "at most 15 reference" in many.hint
    assert "Remove" in two.hint


def test_picture_within_the_limits_passes() -> None:
    """
    The page's picture for dall-e-2 is a square PNG under 4 MB; gpt-image-1 takes three formats.
    """
    square = picture(width=512, height=512, size_bytes=4 * MB - 1)

    assert check_image("cat.png", square, limits_for("dall-e-2")) == []
    for format_ in ("png", "jpeg", "webp"):
        assert check_image("cat", picture(format=format_), limits_for("gpt-image-1")) == []
    assert check_image("cat", picture(format="webp", size_bytes=2**40), limits_for("flux")) == []


def test_all_faults_of_a_picture_are_told_at_once() -> None:
    """
    Format, bytes and shape each have their own code and name the file and the numbers.
    """
    wide = picture(format="jpeg", width=640, height=480, size_bytes=5 * MB)

    problems = check_image("cat.jpg", wide, limits_for("dall-e-2"))

    assert codes(problems) == [
        JobCode.IMAGE_UNSUPPORTED,
        JobCode.IMAGE_TOO_LARGE,
        JobCode.IMAGE_NOT_SQUARE,
    ]
    assert "JPEG" in problems[0].message
    assert problems[1].message == "cat.jpg has 5 MB; this model takes less than 4 MB."
    assert "640×480" in problems[2].message
    assert all(problem.message.startswith("cat.jpg ") for problem in problems)


@pytest.mark.parametrize(
    ("model", "limit"), [("dall-e-2", 4 * MB), ("gpt-image-1", 25 * MB), ("gpt-image-2", 50 * MB)]
)
def test_file_must_be_smaller_than_its_limit(model: str, limit: int) -> None:
    """
    A file of exactly the limit is too large, as the page says "under".
    """
    square = {"width": 64, "height": 64}

    assert check_image("a", picture(size_bytes=limit - 1, **square), limits_for(model)) == []
    assert len(check_image("a", picture(size_bytes=limit, **square), limits_for(model))) == 1


def test_small_limits_are_told_in_bytes() -> None:
    """
    A limit below a megabyte reads as bytes, not as 0 MB.
    """
    limits = limits_for("flux", {"flux": {"max_image_bytes": 1000}})

    [problem] = check_image("a.png", picture(size_bytes=1500), limits)

    assert "1500 bytes" in problem.message
    assert "1000 bytes" in problem.message


def test_mask_of_the_pictures_size_passes() -> None:
    """
    A PNG with transparent pixels in the picture's size is a mask, whatever the picture's format.
    """
    limits = limits_for("gpt-image-2")

    assert check_mask("m.png", picture(), "cat.jpg", picture(format="jpeg"), limits) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "jpeg", "has_alpha": False, "has_transparency": False}, "must be PNG"),
        ({"has_alpha": False, "has_transparency": False}, "has no transparency"),
        ({"has_transparency": False}, "no fully transparent pixel"),
        ({"size_bytes": 4 * MB}, "less than 4 MB"),
    ],
)
def test_unusable_mask_is_refused(changes: dict[str, Any], words: str) -> None:
    """
    A mask that marks nothing, or is no PNG, or is too large, has one problem that says so.
    """
    [problem] = check_mask(
        "m.png", picture(**changes), "cat.png", picture(), limits_for("gpt-image-2")
    )

    assert problem.code is JobCode.MASK_INVALID
    assert problem.message.startswith("m.png ")
    assert words in problem.message


def test_mask_of_another_size_is_refused_with_both_sizes() -> None:
    """
    The sentence names both files and both sizes; other faults of the mask are told besides.
    """
    turned = picture(width=480, height=640, has_transparency=False)

    problems = check_mask("m.png", turned, "cat.png", picture(), limits_for("flux"))

    assert codes(problems) == [JobCode.MASK_INVALID, JobCode.MASK_SIZE_MISMATCH]
    assert problems[1].message == "m.png has 480×640 pixels, but cat.png has 640×480."


KEYS = st.sampled_from(
    [
        "n",
        "size",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "input_fidelity",
        "seed",
    ]
)
VALUES = st.one_of(st.text(max_size=12), st.integers(), st.floats(), st.booleans())


@given(st.sampled_from(MODELS), st.text(max_size=20), st.dictionaries(KEYS, VALUES))
def test_any_request_is_judged(model: str, prompt: str, parameters: dict[str, Scalar]) -> None:
    """
    Whatever somebody wrote, the answer is a list of sentences and never an exception.
    """
    for problem in check_request(model, prompt, parameters, limits_for(model)):
        assert problem.message.endswith(".")
        assert problem.hint.endswith(".")


XAI = limits_for("grok", interface=STYLES[StyleName.XAI].interface)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"size": "1024x1024"}, "has no size"),
        ({"output_format": "webp"}, "has no output_format"),
        ({"n": 11}, "at most 10 pictures at once, and n is 11"),
        ({"size": "no size", "moderation": "low"}, "has no size"),
    ],
)
def test_what_an_interface_has_no_place_for_is_named(
    parameters: dict[str, Any], words: str
) -> None:
    """
    The style and the parameter, each once, whatever its value is.
    """
    problems = check_request("grok", "p", parameters, XAI)

    assert len(problems) == len(parameters)
    assert {each.code.value for each in problems} == {"parameter_invalid"}
    assert words in problems[0].message
    assert '"xai"' in problems[0].message
    assert all(each.hint for each in problems)


def test_what_an_interface_carries_is_the_models_matter() -> None:
    """
    A mask and a fourth picture are refused by name; without rules of the model nothing else is.
    """
    (mask,) = check_request("grok", "p", {"quality": "high"}, XAI, has_mask=True)
    found = list(request_faults("grok", "p", {}, 4, XAI))

    assert "takes no mask" in mask.message
    assert [keys for keys, _ in found] == [("images",)]
    assert check_request("grok", "p", {"n": 10, "user": "u"}, XAI) == []


def test_files_of_a_document_are_smaller_than_its_urls() -> None:
    """
    By the style's own bound, which [limits] may lift.
    """
    document = STYLES[StyleName.OPENAI_JSON].interface

    assert limits_for("gpt-image-2", interface=document).max_image_bytes == 15_728_622
    assert limits_for("gpt-image-2", interface=document).max_mask_bytes == 4 << 20
    lifted = limits_for("gpt-image-2", {"*": {"max_image_bytes": 0}}, document)
    assert lifted.max_image_bytes is None
