# step: errors
# passes: an update that is refused
# passes: a refusal in the middle of a batch
# passes: a directory that is none
