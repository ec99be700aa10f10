# fails: suspect 1: a witness
# file: witness-1.S
# mistake: a silent instruction differs under every VMM of this kind
s/    stc/    stc\n    pushf/
