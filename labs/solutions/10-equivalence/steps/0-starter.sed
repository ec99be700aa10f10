# step: the starter
# expect: After instruction 0 of workload.S the states of suspect 1 are not those that differ first
# expect: Under the suspect the witness does what it does on the bare machine
