# step: the reference
# passes: invlpg
