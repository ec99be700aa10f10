# step: the reference
# passes: suspect 5: a witness
