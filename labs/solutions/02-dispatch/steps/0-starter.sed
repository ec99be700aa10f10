# step: the starter
# expect: the guest stops: The processor shut down: a fault while it delivered a double fault (triple fault)
