# step: the starter
# expect: Module missing: this virtual machine has no interpreter.translator
