"""The builds of an app's images, of which a pull request's values decide nothing but themselves."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from contract.app.model import App
from contract.preview import Preview
from contract.stack_name import AppName
from previews.errors import PreviewsError
from previews.lifecycle.bake import Builds

SHA = "a" * 40
LITERAL = re.compile(r'\$\{"([$%])"\}')


def definition(described: dict[str, Any], **given: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "app": App.model_validate({"app": "orders"} | described),
        "preview": Preview(42, AppName("orders")),
        "folder": "services/orders",
        "commit": SHA,
        "source": "https://github.com/acme/shop",
        "domain": "",
        "scope": "orders-staging",
    }
    document: dict[str, Any] = json.loads(Builds(**arguments | given).definition())
    return document


def evaluated(text: str) -> str:
    """Evaluate, as HCL does, a template whose only expressions are texts of one character.

    Raises:
        AssertionError: It has another expression.
    """
    assert not re.search(r"[$%]\{", LITERAL.sub("", text)), f"an expression: {text}"
    return LITERAL.sub(r"\1", text)


def texts(document: Any) -> list[str]:
    """Every text of a document, the keys too."""
    if isinstance(document, dict):
        return [*document, *(text for value in document.values() for text in texts(value))]
    if isinstance(document, list):
        return [text for value in document for text in texts(value)]
    return [document]


def test_each_image_is_a_target_with_an_archive_of_its_own() -> None:
    made = definition(
        {
            "image": {
                "context": "..",
                "dockerfile": "../docker/api.Dockerfile",
                "target": "production",
                "args": {"PYTHON": "3.13"},
            },
            "web": {"front-end": {"path": "/ui", "image": {"context": "../frontend"}}},
        }
    )
    labels = {
        "org.opencontainers.image.revision": SHA,
        "org.opencontainers.image.source": "https://github.com/acme/shop",
        "previews.stack": "orders-pr-42",
    }
    source = {"COMMIT": SHA, "SOURCE": "https://github.com/acme/shop"}
    common = {
        "labels": labels,
        "platforms": ["linux/amd64"],
        "cache-from": ["type=gha,scope=orders-staging"],
        "attest": ["type=provenance,mode=max", "type=sbom"],
    }
    assert made == {
        "group": {"default": {"targets": ["app", "web-front-end"]}},
        "target": {
            "app": {
                "context": "services",
                "dockerfile": "docker/api.Dockerfile",
                "target": "production",
                "args": {"PYTHON": "3.13", **source},
                "output": ["type=oci,dest=../images/app.tar"],
                **common,
            },
            "web-front-end": {
                "context": "services/frontend",
                "dockerfile": "../orders/Dockerfile",
                "args": source,
                "output": ["type=oci,dest=../images/web-front-end.tar"],
                **common,
            },
        },
    }


@pytest.mark.parametrize(
    "value",
    [
        "${COMMIT}",
        "$${COMMIT}",
        "$$${COMMIT}",
        "%{ if true }a%{ endif }",
        '${"$"}{COMMIT}',
        "${file}$",
        "100%",
        "$(id)",
        "a\nb",
        '", "output": ["type=local,dest=/"], "x": "',
    ],
)
def test_no_value_is_an_expression(value: str) -> None:
    """In JSON bake reads each text as a template."""
    described = {"image": {"context": f"{value.strip()}x", "args": {"A": value}}}
    if "\n" in value:
        del described["image"]["context"]
    [target] = definition(described)["target"].values()
    assert evaluated(target["args"]["A"]) == value
    assert set(target) == {
        *("context", "dockerfile", "args", "labels", "platforms"),
        *("cache-from", "attest", "output"),
    }
    for text in texts(target):
        evaluated(text)


@pytest.mark.parametrize("key", ["context", "dockerfile"])
@pytest.mark.parametrize(
    "value",
    [
        "../../../etc",
        "../..x/../../../..",
        "../../https://evil.test/x.tar",
        "../../git@evil.test/x",
        "../../evil.test:x/y.git",
        "../../github.com/evil/x",
        "../../GitHub.com/evil/x",
        "../../github.com",
        "../../docker-image://evil",
        "../../target:app",
        "../../cwd:/x",
        "../../oci-layout:/x",
        "../../-",
    ],
)
@pytest.mark.parametrize("of", ["image", "web"])
def test_no_path_leads_out_of_the_repository_or_to_another_place(
    key: str, value: str, of: str
) -> None:
    image = {key: value}
    described = (
        {"image": image} if of == "image" else {"web": {"ui": {"path": "/u", "image": image}}}
    )
    with pytest.raises(PreviewsError) as caught:
        definition(described)
    assert caught.value.code == "image-path"
    assert key in caught.value.what


def test_the_commit_and_its_source_are_the_platform_s_word() -> None:
    args = {"COMMIT": "forged", "SOURCE": "forged"}
    made = definition({"image": {"args": args}})["target"]["app"]["args"]
    assert made == {"COMMIT": SHA, "SOURCE": "https://github.com/acme/shop"}


URL = {
    "web": {
        "ui": {
            "path": "/ui",
            "image": {
                "args": {
                    "API": "{app_url}/api",
                    "HOST": "{app_host}",
                    "OF": "{pull_request} {stack} {environment} {commit} {{x}}",
                }
            },
        }
    }
}


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("preview.test", "https://orders-pr-42.preview.test"),
        ("https://preview.test", "https://orders-pr-42.preview.test"),
        ("http://preview.test:8080", "http://orders-pr-42.preview.test:8080"),
    ],
)
def test_a_further_image_may_know_where_it_will_run(domain: str, url: str) -> None:
    args = definition(URL, domain=domain)["target"]["web-ui"]["args"]
    assert args["API"] == f"{url}/api"
    assert args["HOST"] == "orders-pr-42.preview.test"
    assert args["OF"] == f"42 pr-42 preview {SHA} {{x}}"


def test_without_a_domain_an_argument_with_the_url_is_refused() -> None:
    with pytest.raises(PreviewsError, match="PREVIEWS_DOMAIN is not set") as caught:
        definition(URL)
    assert caught.value.code == "image-domain"
