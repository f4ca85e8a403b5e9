from streamer.jobs import lifecycle
from streamer.jobs.lifecycle import Guard, Transition
from streamer.jobs.model import Progress, Status
from streamer.store.dynamodb import items, requests
from tests.support.jobs import DAY_MS, NOON_MS, OOPS, row, row_in

ID = row().job_id


def test_insert_replaces_only_what_has_expired() -> None:
    assert requests.insert("requests", row(), 1_999) == {
        "TableName": "requests",
        "Item": items.encode(row()),
        "ConditionExpression": "attribute_not_exists(#RequestID) OR #expires <= :now",
        "ExpressionAttributeNames": {"#RequestID": "RequestID", "#expires": "expires"},
        "ExpressionAttributeValues": {":now": {"N": "1"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def test_claim() -> None:
    transition = lifecycle.claim("0a", "default", "session", "nonce", 17)
    assert requests.update("requests", "0a", transition) == {
        "TableName": "requests",
        "Key": {"RequestID": {"S": "0a"}},
        "UpdateExpression": (
            "SET #st = :st, #ow = :ow, #cn = :cn, #sq = :sq, #DispatchPK = :DispatchPK, #DispatchSK = :DispatchSK, "
            "#sa = if_not_exists(#sa, :sa) REMOVE #pr, #due, #sb ADD #at :add_at"
        ),
        "ConditionExpression": (
            "#st IN (:PENDING, :RETRYING) AND #qu = :if_qu AND #v <= :if_v "
            "AND (attribute_not_exists(#due) OR #due <= :if_due) "
            "AND (attribute_not_exists(#sb) OR #sb > :after_sb) "
            "AND (attribute_not_exists(#dl) OR #dl > :after_dl) AND attribute_not_exists(#cr)"
        ),
        "ExpressionAttributeNames": {
            f"#{name}": name
            for name in [
                "st",
                "ow",
                "cn",
                "sq",
                "DispatchPK",
                "DispatchSK",
                "sa",
                "pr",
                "due",
                "sb",
                "dl",
                "at",
                "qu",
                "v",
                "cr",
            ]
        },
        "ExpressionAttributeValues": {
            ":st": {"S": "PROCESSING"},
            ":ow": {"S": "session"},
            ":cn": {"S": "nonce"},
            ":sq": {"N": "0"},
            ":DispatchPK": {"S": "L#default#2"},
            ":DispatchSK": {"S": "session#0000000000017"},
            ":sa": {"N": "17"},
            ":add_at": {"N": "1"},
            ":PENDING": {"S": "PENDING"},
            ":RETRYING": {"S": "RETRYING"},
            ":if_qu": {"S": "default"},
            ":if_v": {"N": "2"},
            ":if_due": {"N": "17"},
            ":after_sb": {"N": "17"},
            ":after_dl": {"N": "17"},
        },
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def test_progress_touches_no_index() -> None:
    job = row_in(Status.PROCESSING)
    request = requests.update("requests", ID, lifecycle.progress(job, Progress(10, "Reading"), 4))
    assert request["UpdateExpression"] == "SET #pr = :pr, #sq = :sq"
    assert request["ConditionExpression"] == "#st IN (:PROCESSING) AND #at = :if_at AND #ow = :if_ow AND #sq <= :if_sq"
    assert request["ExpressionAttributeValues"][":pr"] == {"B": b'[10,"Reading",null]'}


def test_an_outcome_leaves_the_index_and_begins_the_time_to_live() -> None:
    job = row_in(Status.PROCESSING)
    request = requests.update("requests", ID, lifecycle.complete(job, b"{}", 4, NOON_MS, DAY_MS))
    assert request["UpdateExpression"] == (
        "SET #st = :st, #rs = :rs, #sq = :sq, #en = :en, #expires = :expires "
        "REMOVE #er, #ch, #ow, #DispatchPK, #DispatchSK"
    )
    assert request["ExpressionAttributeValues"][":expires"] == {"N": str((NOON_MS + DAY_MS) // 1000)}


def test_a_dead_letter_stays_in_the_index() -> None:
    job = row_in(Status.PROCESSING)
    request = requests.update("requests", ID, lifecycle.fail(job, OOPS, 4, NOON_MS, DAY_MS))
    assert request["ExpressionAttributeValues"][":DispatchPK"]["S"].startswith("D#default#")
    assert request["UpdateExpression"].endswith("REMOVE #ch, #ow")


def test_a_connection_joins_by_add() -> None:
    request = requests.update("requests", ID, lifecycle.attach("acme", "ann", "n.c"))
    assert request["UpdateExpression"] == "ADD #Routes :add_Routes"
    assert request["ExpressionAttributeValues"][":add_Routes"] == {"SS": ["n.c"]}


def test_no_routes_are_no_attribute() -> None:
    gone = lifecycle.reroute("acme", "ann", frozenset({"n.c"}), frozenset())
    assert requests.update("requests", ID, gone)["UpdateExpression"] == "REMOVE #Routes"


def test_a_default_is_set_once() -> None:
    asked = lifecycle.request_cancel("acme", "ann", 17)
    assert requests.update("requests", ID, asked)["UpdateExpression"] == "SET #cr = if_not_exists(#cr, :cr)"


def test_a_default_of_nothing_sets_nothing() -> None:
    guard = Guard(statuses=frozenset({Status.PENDING}))
    nothing = Transition(name="nothing", guard=guard, sets={"seq": 1}, defaults={"due_ms": None})
    assert requests.update("requests", ID, nothing)["UpdateExpression"] == "SET #sq = :sq"


def test_index_entries_of_a_partition() -> None:
    assert requests.entries("requests", "R#default#0") == {
        "TableName": "requests",
        "IndexName": "DispatchIndex",
        "KeyConditionExpression": "#DispatchPK = :partition",
        "ExpressionAttributeNames": {"#DispatchPK": "DispatchPK"},
        "ExpressionAttributeValues": {":partition": {"S": "R#default#0"}},
    }


def test_index_entries_below_a_key_or_of_a_session() -> None:
    below = requests.entries("requests", "T#default#0", up_to="17$")
    assert below["KeyConditionExpression"] == "#DispatchPK = :partition AND #DispatchSK < :up_to"
    assert below["ExpressionAttributeValues"][":up_to"] == {"S": "17$"}
    of_session = requests.entries("requests", "L#default#0", prefix="s#")
    assert of_session["KeyConditionExpression"] == "#DispatchPK = :partition AND begins_with(#DispatchSK, :prefix)"
    assert of_session["ExpressionAttributeValues"][":prefix"] == {"S": "s#"}


def test_a_users_newest() -> None:
    assert requests.newest("requests", "u#1") == {
        "TableName": "requests",
        "IndexName": "UserIndex",
        "KeyConditionExpression": "#UserKey = :user",
        "ScanIndexForward": False,
        "ExpressionAttributeNames": {"#UserKey": "UserKey"},
        "ExpressionAttributeValues": {":user": {"S": "u#1"}},
    }


def test_a_part_of_a_side_item() -> None:
    assert requests.put_part("events", "0a", "r#1#0", b"xyz", 1_500) == {
        "TableName": "events",
        "Item": {"RequestID": {"S": "0a"}, "SK": {"S": "r#1#0"}, "b": {"B": b"xyz"}, "expires": {"N": "2"}},
    }
