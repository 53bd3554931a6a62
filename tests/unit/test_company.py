"""Who sits where and who spoke when, as the engine pool keeps it: what makes a plan out of date, and what does not."""

from pathlib import Path

from chatroom.engine_pool.company import Company
from chatroom.roles import Role


def role(id_: str, fingerprint: str = "1") -> Role:
    return Role(id=id_, name=id_.title(), base="models/a", words={}, folder=Path(id_), fingerprint=fingerprint)


def company() -> Company:
    found = Company()
    found.sit("inn", [role("mara"), role("tobin")], spoken=["mara", "tobin", "mara"])
    found.stale = False
    return found


def test_the_log_tells_who_spoke_last() -> None:
    found = company()
    assert found.when("mara") < found.when("tobin")
    found.sit("cellar", [role("ilse")], spoken=["tobin", "ilse"])
    assert found.when("mara") < found.when("tobin") < found.when("ilse")


def test_speaking_again_makes_one_the_latest() -> None:
    found = company()
    found.spoke("mara")
    assert (found.when("tobin") < found.when("mara"), found.when("nobody")) == (True, 0)


def test_rooms_that_change_make_plans_stale() -> None:
    found = company()
    found.sit("inn", [role("mara"), role("tobin")])
    assert not found.stale
    found.sit("inn", [role("mara")])
    assert found.stale


def test_who_left_every_room_is_forgotten() -> None:
    found = company()
    found.sit("cellar", [role("tobin"), role("ilse")])
    found.leave("inn")
    assert ([each.id for each in found.roles], found.stale) == (["tobin", "ilse"], True)
    assert found.rooms_of("tobin") == ("cellar",)


def test_an_edited_role_is_known_by_its_latest_folder() -> None:
    found = company()
    found.meet(role("mara", "2"))
    found.sit("cellar", [role("mara", "1")])
    assert [each.fingerprint for each in found.roles if each.id == "mara"] == ["2"]
