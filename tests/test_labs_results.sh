#!/bin/sh
# results.json has the fields that Gradescope documents, with types and values that it takes, and the
# points add up: for a lab's starter, for what does not compile, for nothing handed in, and when the
# grader is killed. One lab, or all of them if VMM_ALL_LABS is set (make check-labs).
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
tree=$PWD
case $build in
*/build) ;;
*)
    echo 'skipped: submissions are run by the plain library'
    exit 77
    ;;
esac
command -v python3 >/dev/null || {
    echo 'skipped: python3 reads the results'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work" || exit 1
bad=0
fail() {
    echo "$*"
    bad=1
}
# Gradescope, "Autograder specifications", output format; `lab` and `max_score` are ours.
cat >valid.py <<'END_OF_PYTHON'
import json, sys
with open("result.json", encoding="utf-8") as file:
    r = json.load(file)
VISIBLE = ("hidden", "after_due_date", "after_published", "visible")
FORMAT = ("text", "html", "simple_format", "md", "ansi")
TOP = {"score": (int, float), "execution_time": (int, float), "output": str, "output_format": FORMAT,
       "test_output_format": FORMAT, "test_name_format": FORMAT, "visibility": VISIBLE,
       "stdout_visibility": VISIBLE, "extra_data": dict, "tests": list, "leaderboard": list,
       "lab": int, "max_score": (int, float)}
TEST = {"score": (int, float), "max_score": (int, float), "status": ("passed", "failed"), "name": str,
        "name_format": FORMAT, "number": str, "output": str, "output_format": FORMAT, "tags": list,
        "visibility": VISIBLE, "extra_data": dict}
def check(thing, fields):
    for key, value in thing.items():
        kind = fields[key]
        fine = value in kind if isinstance(kind[0] if isinstance(kind, tuple) else kind, str) else isinstance(value, kind)
        assert fine and not isinstance(value, bool), (key, value)
check(r, TOP)
assert "score" in r and r["tests"], "no score, or no tests"
for test in r["tests"]:
    check(test, TEST)
    assert test["name"] and 0 <= test["score"] <= test["max_score"] and test["max_score"] > 0
    assert (test["status"] == "passed") == (test["score"] == test["max_score"])
    assert test["status"] == "passed" or test["output"], "no reason"
assert len({test["name"] for test in r["tests"]}) == len(r["tests"]), "two tests of a name"
assert abs(sum(test["score"] for test in r["tests"]) - r["score"]) < 1e-6
assert abs(sum(test["max_score"] for test in r["tests"]) - r["max_score"]) < 1e-6
sys.exit(0 if eval(sys.argv[1]) else f"not {sys.argv[1]}: {r['score']}, {r['output'][:300]}")
END_OF_PYTHON
valid() { # WHAT EXPRESSION over r
    python3 valid.py "$2" 2>why || fail "$lab, $1: $(tail -n 1 why)"
}
labs=02-dispatch
[ -z "${VMM_ALL_LABS:-}" ] || labs=$(cd "$tree/labs" && for conf in [0-9]*/lab.conf; do dirname "$conf"; done)
for lab in $labs; do
    number=$(echo "$lab" | sed 's/^0*\([0-9]*\)-.*/\1/')
    hidden="--hidden $tree/labs/solutions/$lab/tests"
    [ -d "$tree/labs/solutions/$lab/tests" ] || hidden=
    set -- "$vmm" lab grade "$number" submission --format json -o result.json $hidden
    "$vmm" lab start "$number" >log 2>&1 || fail "$(cat log)"
    mv "$lab" submission
    "$@" >log 2>&1
    valid 'the starter' 'r["score"] < r["max_score"] / 5'
    rm result.json
    setsid "$@" >log 2>&1 &
    grader=$!
    while [ ! -e result.json ] && kill -0 $grader 2>/dev/null; do sleep 0.01; done
    kill -KILL -$grader
    wait $grader 2>/dev/null
    valid 'killed' 'r["score"] == 0 and "was ended before" in r["output"] + r["tests"][0]["output"]'
    for file in $(sed -n 's/^file: *//p' "$tree/labs/$lab/lab.conf"); do
        printf 'this is no C \377;\n' >"submission/$file"
    done
    "$@" >log 2>&1
    valid 'nonsense' 'r["score"] == 0'
    rm -rf submission
    mkdir submission
    "$@" >log 2>&1
    valid 'nothing' 'r["score"] == 0'
    rm -rf submission
done
exit $bad
