# step: user sensitive
# passes: location sensitive
# passes: mode sensitive
# passes: user sensitive
/^    \.theorem_1 = /d
/^    \.theorem_3 = /d
