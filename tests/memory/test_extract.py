"""Sentences, words, key phrases and cues of plain text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.memory.cues import Cue, cues, is_question, is_small_talk, without_opening
from rekindle.memory.extract import excerpt, head_and_tail, pick, shorten, statements
from rekindle.memory.hearsay import is_own_claim, own_words
from rekindle.memory.phrases import is_vague, key_phrases
from rekindle.memory.words import sentences, stem, terms, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What? Really! Yes.", ["What?", "Really!", "Yes."]),
        ('She said "no way." Then she left…', ['She said "no way."', "Then she left…"]),
        ("我想学游泳。你呢？好！", ["我想学游泳。", "你呢？", "好！"]),
        ("هل أنت بخير؟ نعم.", ["هل أنت بخير؟", "نعم."]),
        ("one\n\n- two\nthree", ["one", "- two", "three"]),
        ("   \n ... !! ", []),
    ],
)
def test_a_text_is_split_at_the_ends_of_its_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I saw Dr. Smith at 3.5 p.m. today.",
        "J.K. Rowling wrote it for $4.50.",
        "Der Kurs beginnt am 3. Mai und kostet 180 Euro.",
        "1. Take the base stand off.",
    ],
)
def test_abbreviations_numbers_and_dates_do_not_end_a_sentence(text: str) -> None:
    assert sentences(text) == [text]


def test_a_run_without_an_end_is_cut_so_that_a_message_is_never_one_sentence() -> None:
    found = sentences("word " * 1_000)
    assert all(len(sentence) <= 500 for sentence in found)
    assert " ".join(found) == " ".join(["word"] * 1_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't tell Sarah's dog", ["not", "tell", "sarah", "dog"]),
        ("L'école à José", ["école", "à", "josé"]),
        ("10:30 for $1,200", ["10:30", "for", "1,200"]),
        ("snake_case iPhone屏幕坏了", ["snake", "case", "iphone", "屏幕", "幕坏", "坏了"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
    ],
)
def test_words_are_folded_and_scripts_without_spaces_come_in_pairs(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    "forms",
    [
        "certification certified certify certificates",
        "train trained training trains",
        "hike hiked hiking hikes",
        "puppy puppies",
        "swim swam swimming",
        "allergy allergies allergic",
        "child children",
        "buy bought buying",
        "die dies died dying",
        "pie pies",
    ],
)
def test_the_forms_of_a_word_share_a_stem(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize("pair", ["Tim timing", "James jam", "Jan Jane", "cod coding", "hopping hoping"])
def test_a_name_is_not_joined_with_a_word(pair: str) -> None:
    one, other = pair.split()
    assert not set(terms(one)) & set(terms(other))
    assert not is_vague("Tim")  # though "time" is


def test_words_of_other_languages_and_numbers_are_not_stemmed() -> None:
    assert [stem(word) for word in ("größe", "2025", "游泳")] == ["größe", "2025", "游泳"]
    assert terms("The pool at the hotel") == ["pool", "hotel"]


def test_what_binds_in_one_language_tells_something_in_another() -> None:
    assert terms("what is my son called") == ["son", "call"]
    assert terms("son") == ["son"]
    assert terms("Wie war die Klausur, und was hat die Lehrerin gesagt?") == ["klausur", "lehrerin", "gesagt"]


def test_key_phrases_keep_the_casing_they_were_said_in() -> None:
    assert key_phrases(["What is Lifeguard certification?", "I need CPO training"]) == [
        "Lifeguard certification",
        "CPO training",
    ]


def test_what_several_messages_turn_on_comes_first_and_is_said_once() -> None:
    talk = ["My studio opens soon", "Is the dance studio big?", "The dance studio has a new floor", "Bring shoes"]
    phrases = key_phrases(talk)
    assert phrases[0] == "dance studio"
    assert "studio" not in phrases


def test_a_name_somebody_is_called_by_is_no_topic_but_a_place_is() -> None:
    talk = ["Thanks, Mel!", "Hey Mel! I moved to New York.", "Wow, Mel! I think New York is far.", "Yes, Mel."]
    phrases = key_phrases(talk)
    assert "New York" in phrases
    assert "Mel" not in phrases


def test_key_phrases_of_other_languages_are_things_and_no_small_words_or_verbs() -> None:
    assert key_phrases(["Abends bin ich dann immer ziemlich kaputt.", "Der Zug ist schon wieder ausgefallen."]) == [
        "Zug"
    ]
    assert key_phrases(["Me apunté a un rocódromo, voy los jueves.", "Hay que tener cuidado."]) == ["rocódromo"]
    assert key_phrases(["My cat Biscuit hates mornings lol.", "I move on the 14th of March, tmrw i mean"]) == [
        "cat Biscuit"
    ]


@pytest.mark.parametrize(
    ("said", "own"),
    [
        ('A pupil wrote: "I hate school. I live in Splott." Any advice?', 'A pupil wrote: "[…]" Any advice?'),
        ("My roommate said 'I love Haskell' and I don't.", "My roommate said '[…]' and I don't."),
        ("Please proofread this essay:\nI have a dog.\nI love chips.\n\nCan you help?", None),
        ("Translate into French: I live in Rome.", "Translate into French: […]"),
        ("> I quit my job\nGood for him.", "[…]\nGood for him."),
        ('I love "The Lord of the Rings", it says "connection refused on 5432".', ""),
        ("My wishes:\n- I like dogs\n- no stairs", ""),
    ],
)
def test_what_somebody_else_says_of_themselves_is_not_the_speakers_own(said: str, own: str | None) -> None:
    assert own_words(said) == (own or (said if own == "" else "Please proofread this essay:\n[…]\n\nCan you help?"))


@pytest.mark.parametrize(
    "sentence",
    [
        "My mum keeps telling everyone I'm a doctor.",
        "my mom says i need to focus more",
        "Mein Enkel sagt, ich soll ein iPhone nehmen.",
        "Mi ex dice que no hago deporte.",
        "If I were rich I'd live in Lisbon.",
        "Wenn ich im Lotto gewinne, kaufe ich mir ein Boot.",
        "Si pudiera, viviría en la montaña.",
        "I wish I had a garden.",
        "Oh great, another double shift, just what I always wanted.",
        "Na toll, schon wieder zu spät, ich liebe die Bahn.",
    ],
)
def test_what_is_told_by_others_supposed_or_in_jest_claims_nothing(sentence: str) -> None:
    assert not is_own_claim(sentence)
    assert statements([(True, sentence)])[0].cue is Cue.NONE


@pytest.mark.parametrize(
    "sentence",
    [
        "The doctor told me that I'm diabetic.",
        "If it rains I prefer to swim indoors.",
        "I think I need a new saw.",
        "My wife loves coffee.",
        "Perfect, now I need CPO training.",
        "Please tell me if I need a permit.",
    ],
)
def test_what_one_says_oneself_is_a_claim(sentence: str) -> None:
    assert is_own_claim(sentence)


def test_what_is_taken_back_was_not_said() -> None:
    said = statements([(True, "I love my job. Said no one in this office, ever. I need a holiday.")])
    assert [sentence.text for sentence in said] == ["I need a holiday."]


def test_chinese_has_key_phrases_too() -> None:
    assert "游泳课程" in key_phrases(["请问游泳课程多少钱？", "游泳课程在周一"])


@pytest.mark.parametrize(
    ("sentence", "cue"),
    [
        ("My name is Sarah.", Cue.NAME),
        ("Hi, I'm Sarah Miller from Austin.", Cue.NAME),
        ("ich heiße Jonas", Cue.NAME),
        ("I really need CPO training", Cue.NEED),
        ("I'm looking for a weekend course.", Cue.NEED),
        ("Je cherche un cours.", Cue.NEED),
        ("I prefer weekends.", Cue.PREFERENCE),
        ("I'm allergic to nuts.", Cue.PREFERENCE),
        ("I don't eat meat.", Cue.PREFERENCE),
        ("我喜欢游泳", Cue.PREFERENCE),
        ("I'll let you know.", Cue.PLAN),
        ("We start next week.", Cue.PLAN),
        ("I passed the exam with 85%!", Cue.MILESTONE),
        ("I finally got the new job!", Cue.MILESTONE),
        ("Won the regional final last week", Cue.MILESTONE),
        ("I cleaned it and it works now", Cue.MILESTONE),
        ("My dog ate a shoe.", Cue.FACT),
    ],
)
def test_a_sentence_tells_what_it_says_of_the_user(sentence: str, cue: Cue) -> None:
    assert cues(sentence) & cue


@pytest.mark.parametrize("sentence", ["Do you like cats?", "The sky is blue.", "Don't worry, I won't forget."])
def test_questions_and_generalities_say_nothing_of_the_user(sentence: str) -> None:
    assert not cues(sentence) & ~Cue.FACT


@pytest.mark.parametrize(
    "sentence",
    [
        "Hey Mel!",
        "Thanks, that means a lot!",
        "How are you?",
        "That's great!",
        "Talk to you soon!",
        "Way to go, Nate!",
        "ok",
    ],
)
def test_greetings_thanks_and_praise_are_small_talk(sentence: str) -> None:
    assert is_small_talk(sentence)


@pytest.mark.parametrize(
    "sentence", ["I need CPO training", "I'll ask him tomorrow morning.", "Thanks, my order A-4471 arrived in pieces"]
)
def test_what_says_something_is_not_small_talk(sentence: str) -> None:
    assert not is_small_talk(sentence)


@pytest.mark.parametrize("text", ["How much is it?", "what happens in the calvin cycle", "多少钱？", "¿Cuánto?"])
def test_a_question_is_known_by_its_mark_or_its_first_words(text: str) -> None:
    assert is_question(text)
    assert not is_question("What a day that was.")


def test_an_opening_is_left_out_and_the_rest_stays_the_speakers_own() -> None:
    assert without_opening("Yeah, I painted that lake!") == "I painted that lake!"
    assert without_opening("Thanks!") == "Thanks!"


def test_statements_are_neither_small_talk_nor_said_twice() -> None:
    talk = [(True, "Hi! I need CPO training."), (False, "Great!"), (True, "I need CPO training."), (True, "Bye")]
    assert [sentence.text for sentence in statements(talk)] == ["I need CPO training."]


def test_what_is_picked_comes_in_order_fits_the_room_and_does_not_repeat_itself() -> None:
    talk = [
        (True, "I run the pool at the Riverside hotel."),
        (False, "The course costs $225 and starts on 3 May in Austin."),
        (True, "The Riverside hotel has a pool that I run."),
        (True, "I prefer weekends because we are short staffed."),
    ]
    said = statements(talk)
    picked = pick(said, room=400)
    assert [said.index(sentence) for sentence in picked] == sorted(said.index(sentence) for sentence in picked)
    assert sum("Riverside" in sentence.text for sentence in picked) == 1
    assert any("$225" in sentence.text for sentence in picked)
    assert sum(len(sentence.text) + 3 for sentence in pick(said, room=60)) <= 60
    assert pick([], room=400) == []


def test_long_things_are_cut_where_they_may_be() -> None:
    assert shorten("short") == "short"
    assert shorten("We went to the lake, and " + "then on " * 40, 60).endswith("…")
    assert len(shorten("x" * 500, 100)) == 100
    assert excerpt("a" * 90 + "b" * 90, 40) == "a" * 30 + "\n" + "b" * 10
    assert head_and_tail(range(10), 6) == [0, 1, 6, 7, 8, 9]
    assert head_and_tail(range(3), 6) == [0, 1, 2]


@given(st.lists(st.text(max_size=200), max_size=6))
def test_whatever_is_said_statements_are_verbatim(texts: list[str]) -> None:
    talk = [(True, text) for text in texts]
    for sentence in statements(talk):
        assert sentence.text in " ".join(texts[sentence.at].split())
    key_phrases(texts)


@pytest.mark.parametrize(
    "text",
    [
        "." * 200_000 + "x",
        '."' * 100_000 + "x",
        "a" * 200_000,
        "Thanks, " * 25_000,
        "we really just would " * 9_500,
        "1.1" * 66_000,
        "'a" * 100_000,
        "我想学游泳" * 40_000,
        "do you " * 28_000 + "?",
    ],
    ids=["dots", "quotes", "one word", "openings", "auxiliaries", "numbers", "apostrophes", "chinese", "question"],
)
def test_a_message_of_200_kilobytes_does_not_hang(text: str) -> None:
    began = time.thread_time()
    pick(statements([(True, text)]), room=400)
    key_phrases([text])
    words(text)
    assert time.thread_time() - began < 10  # what takes the square of its length takes minutes


def test_what_will_not_be_done_is_nothing_reached() -> None:
    assert not cues("Won't let anything hold me back!") & Cue.MILESTONE


@pytest.mark.parametrize(
    "said",
    [
        "I finally told my manager how I feel!",
        "I'm proud that I ran 5 km today",
        "My manager praised my idea today, breakthrough!",
        "I led the meeting for the first time",
        "I ran 10 km, my longest",
        "I managed to sleep through the night",
    ],
)
def test_what_somebody_reached_is_heard_in_their_own_words(said: str) -> None:
    assert cues(said) & Cue.MILESTONE


@pytest.mark.parametrize(
    "said", ["I finally want to sleep", "I ran into my neighbour", "My best friend called", "When is my first time?"]
)
def test_what_nobody_reached_is_no_milestone(said: str) -> None:
    assert not cues(said) & Cue.MILESTONE
