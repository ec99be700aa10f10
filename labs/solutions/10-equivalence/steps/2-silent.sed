# step: a witness that is silent
# file: witness-1.S
# passes: suspect 1: which module
# expect: The witness differs from the bare machine under the library's own modules, too
s/    stc/    stc\n    pushf/
