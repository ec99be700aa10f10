# step: starter
# expect: the console has: glue: arch_begin is not written yet
