"""Passwords, signatures and tokens of addresses reach nothing that is shown or written."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="needs the extra hub")
from servers import Served, s3_server, serving

import saegeom_data
from saegeom_data.cli import main as command_line
from saegeom_data.data import write
from saegeom_data.errors import Problem, StoreError
from saegeom_data.remote.address import name_of
from saegeom_data.remote.place import place_at
from saegeom_data.shown import printable, without_secrets
from saegeom_data.testing.simulate import simulate_store

WORD = "pass-w0rd-of-mine"
TOKEN = "hf_abcdefghijklmnopqrstuvwx"
ADDRESSES = {
    "password": "https://me:PASS@example.org/a.zarr",
    "password with a slash": "https://me:x/PASS@example.org/a.zarr",
    "password with an at": "https://me:x@PASS@example.org/a.zarr",
    "user alone": "https://PASS@example.org/a.zarr",
    "keys of a bucket": "s3://AKIA:PASS@bucket/a.zarr",
    "signed by S3": "https://b.s3.amazonaws.com/a?X-Amz-Credential=PASS&X-Amz-Signature=PASS&versionId=PASS",
    "signed by Google": "https://storage.googleapis.com/b/a?X-Goog-Signature=PASS",
    "signed by Azure": "https://a.blob.core.windows.net/c/a?sv=2024&sig=PASS",
    "signed by CloudFront": "https://d.cloudfront.net/a?Expires=1&Signature=PASS&Key-Pair-Id=PASS",
    "old signature of S3": "https://b.s3.amazonaws.com/a?AWSAccessKeyId=PASS&Signature=PASS&Expires=1",
    "token": "https://example.org/a?token=PASS",
    "access token": "https://example.org/a?access_token=PASS#x",
    "key": "https://example.org/a?api_key=PASS",
    "in upper case": "HTTPS://me:PASS@example.org/a?SIG=PASS",
    "escaped key": "https://example.org/a?X%2DAmz-Signature=PASS",
    "Hub with a token": "hf://user:PASS@datasets/o/n",
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_no_form_of_address_shows_its_secret(address: str) -> None:
    address = address.replace("PASS", WORD)
    shown = without_secrets(f"{address}: cannot be reached; try <{address}>, or '{address}'", address)
    assert WORD not in shown
    assert "cannot be reached" in shown
    assert WORD not in str(Problem(address, f"got {address}"))
    assert WORD not in name_of(address)


@pytest.mark.parametrize(
    "text",
    [
        "hf://datasets/owner/name@v1/a.zarr",
        "s3://bucket/a@b.zarr",
        "http://127.0.0.1:9/v1@main",
        "https://openreview.net/forum?id=F76bwRSLeK",
        "https://example.org/a.zip?download=true&versionId=3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY",
        "a ratio of 3:1 @ layer 2; mail me@example.org",
        "The Standard Bearer of the regiment, Bearer Associations, and Basic knowledge; authorization: basic",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


def test_tokens_are_known_by_their_form() -> None:
    shown = without_secrets(f"Authorization: Bearer {WORD}; {TOKEN} and AKIAIOSFODNN7EXAMPLE; Signature={WORD}")
    assert not any(secret in shown for secret in (WORD, TOKEN, "AKIAIOSFODNN7EXAMPLE"))


@pytest.mark.parametrize("header", ["Authorization: Bearer PASS", "{'authorization': 'Basic PASS'}"])
@pytest.mark.parametrize("secret", ["hunter", WORD])
def test_a_header_shows_no_secret_whatever_it_looks_like(header: str, secret: str) -> None:
    assert secret not in without_secrets(header.replace("PASS", secret))


@pytest.mark.parametrize("secret", ["eyJhbGciOiJIUzI1NiJ9.e30.Xb-_", "dXNlcjpwYXNzd29yZA==", "0123456789abcdef"])
def test_tokens_are_masked_outside_of_headers(secret: str) -> None:
    for scheme in ("Bearer", "Basic"):
        assert without_secrets(f"got {scheme} {secret}, refused") == f"got {scheme} ***, refused"


def test_masked_json_is_json_still() -> None:
    held = [
        {"title": "Flag Bearer", "url": "https://example.org/a?token=abc"},
        {"cookie": "Signature=abc"},
        "Bearer abc4567890abc",
    ]
    for text in (json.dumps(held), json.dumps(json.dumps(held))):
        masked = without_secrets(text)
        json.loads(masked)
        assert "abc" not in masked


def test_signs_that_control_a_terminal_are_written_out() -> None:
    assert printable("a\x1b[2J\x07\u202eb\n\tc") == "a\\x1b[2J\\x07\\u202eb\n\tc"


# A run and what is made of it, on a server that wants a password and a signature.


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("published") / "data.zarr"
    write.write_tree(simulate_store(n_saes=2, n_features=60, n_blocks=80, n_hidden=16), target)
    return target


def contents(folder: Path) -> dict[str, bytes]:
    return {f"/v1/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def served(published: Path) -> Iterator[Served]:
    with serving() as server:
        server.files = contents(published)
        yield server


def run_command(capsys: Any, monkeypatch: Any, *arguments: str | Path) -> tuple[int, str]:
    """Exit status and all output of a command, tracebacks included."""
    monkeypatch.setattr("sys.argv", ["saegeom", *map(str, arguments)])
    status = 0
    try:
        command_line.main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    shown = capsys.readouterr()
    return status, shown.out + shown.err


def written(folder: Path) -> bytes:
    names = "\n".join(str(file) for file in folder.rglob("*")).encode()
    return names + b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_nothing_that_a_run_shows_or_writes_holds_the_password(
    served: Served, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    url = served.url.replace("http://", f"http://me:{WORD}@") + "/v1"
    commands: list[list[str | Path]] = [
        ["run", "isotropy", "--data", url, "-o", "out"],
        ["run", "isotropy", "--data", url, "--plan"],
        ["report", "out", "-o", "again.html"],
        ["benchmark", "out", "-o", "benchmark.yaml"],
        ["catalogue", url, "-o", "catalogue.yaml"],
        ["describe", url],
        ["validate", url],
        ["publish", "out", tmp_path / "published"],
        ["check", "benchmark.yaml"],
    ]
    for command in commands:
        status, shown = run_command(capsys, monkeypatch, *command)
        assert WORD not in shown, command
        assert status == (2 if command[0] == "check" else 0), shown
    assert "its credentials were left out where it was recorded" in shown
    assert (tmp_path / "out/report.html").is_file()
    assert "***@127.0.0.1" in (tmp_path / "catalogue.yaml").read_text()
    served.files = {name: data for name, data in served.files.items() if "decoder/c" not in name}
    status, shown = run_command(capsys, monkeypatch, "run", "isotropy", "--data", url, "-o", "failed")
    assert (status, WORD in shown) == (0, False), "from the cache"
    shutil.rmtree(tmp_path / "cache")
    status, shown = run_command(capsys, monkeypatch, "run", "isotropy", "--data", url, "-o", "failed2")
    assert status == 2
    assert shown.count("\n") == 1
    assert "HTTP 404" in shown
    assert WORD not in shown
    assert WORD.encode() not in written(tmp_path)


def test_an_error_of_this_package_itself_shows_no_password(capsys: Any, monkeypatch: Any) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"https://me:{WORD}@example.org/a?sig={WORD}")

    monkeypatch.setattr("saegeom_data.engine.runner.run", fail)
    status, shown = run_command(capsys, monkeypatch, "run", "isotropy", "-o", "never")
    assert status == 1
    assert "RuntimeError" in shown
    assert WORD not in shown


def test_signed_address_of_an_archive(published: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path / "cache"))
    saegeom_data.publish(published, tmp_path / "data.zip")
    with serving() as server:
        server.files = {"/data.zip": (tmp_path / "data.zip").read_bytes()}
        url = f"{server.url}/data.zip?X-Amz-Signature={WORD}&X-Amz-Expires=60"
        with saegeom_data.open(url) as tree:
            assert tree.encoding["source"] == f"{server.url}/data.zip?X-Amz-Signature=***&X-Amz-Expires=***"
            decoder = tree["saes/layer_0/features/decoder"]
            assert WORD not in repr(tree) + repr(decoder.variable._data) + repr(decoder.data)
            assert decoder.variable.compute().shape == (60, 16)
        del server.files["/data.zip"]
        with pytest.raises(StoreError) as refused:
            saegeom_data.open(url)
        assert WORD not in str(refused.value)


def test_keys_in_an_address_of_s3_and_in_options(published: Path, monkeypatch: Any) -> None:
    from fsspec.config import conf

    with s3_server() as system:
        system.mkdir("data")
        system.put(f"{published}/", "data/v1/", recursive=True)
        monkeypatch.setitem(conf, "s3", {"key": "test", "secret": WORD})
        with saegeom_data.open("s3://data/v1") as tree:
            sent = pickle.dumps(tree["saes/layer_0/features/decoder"].variable)
            assert WORD.encode() not in sent
            assert WORD not in repr(tree) + str(tree.encoding)
        for address in (f"s3://key:{WORD}@data/v1", f"s3://data/{WORD}/none?token={WORD}"):
            with pytest.raises(StoreError) as refused:
                saegeom_data.open(address)
            assert f":{WORD}" not in str(refused.value)
            assert f"token={WORD}" not in str(refused.value)


def test_attributes_of_a_written_store_hold_no_credentials(tmp_path: Path) -> None:
    recipe = f'{{"pairs": "https://me:{WORD}@example.org/pairs.csv?sig={WORD}"}}'
    tree = simulate_store(n_saes=1)
    tree.attrs |= {"recipe": recipe, "sources": [{"url": f"s3://k:{WORD}@b/x"}]}
    write.write_tree(tree, tmp_path / "a.zarr")
    assert WORD.encode() not in written(tmp_path)
    with saegeom_data.open(tmp_path / "a.zarr") as opened:
        assert opened.attrs["recipe"] == '{"pairs": "https://***@example.org/pairs.csv?sig=***"}'


def test_place_does_not_print_what_it_keeps() -> None:
    place = place_at(f"https://me:{WORD}@example.org/a.zarr")
    assert WORD not in repr(place) + repr(place.file("zarr.json", 3)) + str(place.file("x", 1).shown)
