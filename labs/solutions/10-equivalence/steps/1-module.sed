# step: the right instruction, the wrong module
# file: findings.txt
# passes: suspect 1: where
# expect: With the library's own interpreter.cli in its place, suspect 1 still does not do what the bare machine does
s/interpreter.sti/interpreter.cli/
