import xml.etree.ElementTree as ElementTree

from hf_mlm.reporting.demo_report import Item, Retrieval, image_to_texts, text_to_images


PNG, JPEG = b"\x89PNG\r\n", b"\xff\xd8\xff"
ITEMS = [
    Item("Wien, AT", JPEG, "Wien ist eine <Großstadt>.", "de"),
    Item("Lyon, FR", PNG, "Lyon est une grande ville.", "fr"),
    Item("Cork, IE", JPEG, "Cork is a big city."),
]


def test_an_image_shows_its_texts_in_their_languages_and_marks_the_right_one() -> None:
    sheet = ElementTree.fromstring(image_to_texts(ITEMS[0], ITEMS, rank=2, right=1))
    texts = list(sheet.iter("p"))
    assert [(text.text, text.get("lang")) for text in texts] == [(item.text, item.language) for item in ITEMS]
    assert [answer.get("class") for answer in sheet.iter("li")] == [None, "right", None]
    images = list(sheet.iter("img"))
    assert [image.get("alt") for image in images] == ["overhead image of Wien, AT"]
    assert sheet.findtext("h4/span") == "right answer at rank 2"


def test_a_text_shows_its_images_with_names() -> None:
    sheet = ElementTree.fromstring(text_to_images(ITEMS[1], ITEMS, rank=17, right=None))
    assert sheet.findtext(".//blockquote") == "Lyon est une grande ville."
    kinds = [str(image.get("src")).split(";")[0] for image in sheet.iter("img")]
    assert kinds == ["data:image/jpeg", "data:image/png", "data:image/jpeg"]
    assert [caption.text for caption in sheet.iter("figcaption")] == ["Wien, AT", "Lyon, FR", "Cork, IE"]
    assert not [answer for answer in sheet.iter("li") if answer.get("class")]
    assert sheet.find("h4/span").get("class") == "rank"  # type: ignore[union-attr]


def test_a_rank_beyond_the_answers_marks_none() -> None:
    assert Retrieval(ITEMS[0], ITEMS, rank=3).right == 2
    assert Retrieval(ITEMS[0], ITEMS, rank=4).right is None
