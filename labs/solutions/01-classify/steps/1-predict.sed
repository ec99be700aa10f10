# step: predictions
# passes: predictions: the rest
# passes: predictions: system tables
/^    \.privileged = /d
/^    \.control_sensitive = /d
/^    \.location_sensitive = /d
/^    \.mode_sensitive = /d
/^    \.user_sensitive = /d
/^    \.theorem_1 = /d
/^    \.theorem_3 = /d
