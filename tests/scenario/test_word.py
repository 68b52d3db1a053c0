"""A word is text, braces that are meant, and placeholders; and stands for what it says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from valkeybench.scenario.word import (
    MOST_IN_SEQUENCE,
    MOST_KEYS,
    Numbers,
    Order,
    TemplateError,
    Value,
    Word,
    parse_word,
)

texts = st.text("ab:{} %é", min_size=1, max_size=4)
ranges = st.builds(
    lambda ends, order, exponent: Numbers(
        min(ends), max(ends), order, exponent if order is Order.ZIPF else 0.99
    ),
    st.tuples(st.integers(0, 12), st.integers(0, 12)),
    st.sampled_from(Order),
    st.sampled_from([0.5, 0.99, 1.2]),
)


@st.composite
def words(draw: st.DrawFn) -> Word:
    """Draw words whose texts never touch, as no parsed word's do."""
    pieces: list[str | Numbers | Value] = []
    for piece in draw(st.lists(texts | ranges | st.just(Value()), max_size=4)):
        if not (pieces and isinstance(pieces[-1], str) and isinstance(piece, str)):
            pieces.append(piece)
    return Word(tuple(pieces))


@given(words())
@settings(deadline=None)
def test_what_is_written_is_what_is_read(word: Word) -> None:
    """Every word can be written down, and reads as itself; braces in its text are doubled."""
    assert word == parse_word(str(word))


@given(words().filter(lambda word: not word.holds_value))
@settings(deadline=None)
def test_everything_a_word_stands_for_is_named_once(word: Word) -> None:
    """As many names as are counted, whatever the order of the numbers."""
    names = list(word.all())
    assert word.count == len(names)
    assert names == list(word.unordered().all())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", [""]),
        ("key", ["key"]),
        ("k:{8..10}", ["k:8", "k:9", "k:10"]),
        ("{0..1}{zipf:2..3}", ["02", "03", "12", "13"]),
        ("u:{{tag}}:{seq:0..1}", ["u:{tag}:0", "u:{tag}:1"]),
        ("u:{{{0..1}}}:n", ["u:{0}:n", "u:{1}:n"]),
        ("{{0..9}}", ["{0..9}"]),
        ("{{", ["{"]),
        ("}}", ["}"]),
    ],
)
def test_what_words_stand_for(text: str, names: list[str]) -> None:
    """Ranges hold both ends; two braces are one that is meant."""
    assert names == list(parse_word(text).all())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("{0..9}", Numbers(0, 9)),
        ("{zipf:0..9}", Numbers(0, 9, Order.ZIPF, 0.99)),
        ("{zipf(1.2):5..9}", Numbers(5, 9, Order.ZIPF, 1.2)),
        ("{seq:7..7}", Numbers(7, 7, Order.SEQUENCE)),
        ("{0..999999999999999999}", Numbers(0, 10**18 - 1)),
    ],
)
def test_the_placeholders_of_numbers(text: str, numbers: Numbers) -> None:
    """Uniform unless said otherwise; Zipf's exponent is 0.99 unless said otherwise."""
    assert (numbers,) == parse_word(text).pieces


@pytest.mark.parametrize(
    ("text", "reason", "remedy"),
    [
        ("{x}", "{x} is no placeholder", "there are {0..9999}, {zipf:"),
        ("{5}", "{5} is no placeholder", "write {{tag}} for a hash tag"),
        ("{-1..1}", "{-1..1} is no placeholder", "there are"),
        ("{zip:0..9}", "{zip:0..9} is no placeholder", "did you mean {zipf:0..9999}?"),
        ("{ZIPF:0..9}", "{ZIPF:0..9} is no placeholder", "did you mean {zipf:0..9999}?"),
        ("{seqq:0..9}", "{seqq:0..9} is no placeholder", "did you mean {seq:0..9999}?"),
        ("{vaule}", "{vaule} is no placeholder", "did you mean {value}?"),
        ("{gauss:0..9}", "{gauss:0..9} is no placeholder", "there are"),
        ("{seq(2):0..9}", "{seq(2):0..9} is no placeholder", "did you mean {seq:0..9999}?"),
        ("{0..9", "{ is no placeholder", "close it, or write {{ for a brace that is meant"),
        ("0..9}", "} is no placeholder", "write }} for a brace"),
        ("{x{0..9}", "{ is no placeholder", "write {{"),
        ("{9..1}", "{9..1} counts backwards", "write the smaller number first"),
        ("{zipf(0):0..9}", "the exponent of {zipf(0):0..9} is not above 0", "usual are"),
        ("{zipf(11):0..9}", "is not above 0 and at most 10", "usual are"),
        (f"{{zipf:1..{MOST_KEYS + 1}}}", "has 1,000,001 numbers; 1,000,000 is the most", ""),
        (f"{{seq:1..{MOST_IN_SEQUENCE + 1}}}", "has 131,073 numbers; 131,072 is the most", ""),
        ("{0.." + "9" * 19 + "}", "is no placeholder", "there are"),
    ],
)
def test_what_is_no_placeholder_is_said_with_what_was_meant(
    text: str, reason: str, remedy: str
) -> None:
    """Unknown words, lone braces, empty ranges, too long ones: one sentence each."""
    with pytest.raises(TemplateError) as caught:
        parse_word(f"k:{text}")
    assert reason in caught.value.reason
    assert remedy in caught.value.remedy
    assert caught.value.fragment in text


@given(st.text("{}az.0123456789:()seqipfvalu", max_size=20))
@settings(deadline=None, max_examples=500)
def test_any_text_is_a_word_or_refused(text: str) -> None:
    """Nothing that is typed breaks the reader, and what it takes can be written down again."""
    try:
        word = parse_word(text)
    except TemplateError:
        return
    assert word == parse_word(str(word))


@given(words().filter(lambda word: not word.holds_value))
@settings(deadline=None, max_examples=300)
def test_a_hash_tag_says_where_keys_go(word: Word) -> None:
    """Keys of a word with a tag that is not drawn all have the slot of the tag alone.

    The slot is what redis-py computes for the finished keys, prefix and all.
    """
    tag = word.hash_tag()
    if tag:
        assert {key_slot(tag.encode())} == {key_slot(f"p:{key}".encode()) for key in word.all()}


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a", ""),
        ("a:{0..9}", ""),
        ("{{t}}:{0..9}", "t"),
        ("{0..9}:{{t}}", "t"),
        ("a{{}}{{t}}", ""),
        ("a{{t", ""),
        ("{{{{t}}}}", "{t"),
        ("{{{0..9}}}", None),
        ("{{u{0..9}}}:{{t}}", None),
        ("}}{{t}}", "t"),
    ],
)
def test_the_rule_of_hash_tags(text: str, tag: str | None) -> None:
    """Between the first { and the first } after it, if that is not nothing; None when drawn."""
    assert tag == parse_word(text).hash_tag()
