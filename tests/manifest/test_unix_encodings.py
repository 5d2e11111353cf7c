"""Encodings of Unix share most letters with those of Windows, but not all."""

from __future__ import annotations

import pytest

from batchgen.errors import SpecError
from batchgen.manifest.manifest import Manifest
from tests.manifest.conftest import MakeJob


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        pytest.param("zażółć gęślą", "iso8859_2", id="polish"),
        pytest.param("Άσπρη γάτα", "iso8859_7", id="greek"),
        pytest.param("für 20 €", "iso8859_15", id="euro"),
    ],
)
def test_letters_that_two_encodings_write_differently_are_asked_for(
    make_job: MakeJob, text: str, encoding: str
) -> None:
    job = make_job(f"id,prompt\n1,{text}\n".encode(encoding))

    with pytest.raises(SpecError, match=rf"not certain: .*{encoding} \(`"):
        Manifest.open(job)


def test_another_encoding_of_cyrillic_is_not_read_as_arabic(make_job: MakeJob) -> None:
    text = "Красная кошка сидит на окне"
    manifest = Manifest.open(make_job(f"id,prompt\n1,{text}\n".encode("koi8-r")))

    (part,) = manifest.slices(1)
    assert part.rows[0].prompt == text
