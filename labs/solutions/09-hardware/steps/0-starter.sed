# step: starter
# expect: Module missing: this virtual machine has no dispatcher.hardware
