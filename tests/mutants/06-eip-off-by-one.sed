# file: interpreter/port_complete.c
# property: equivalence
# mistake: EIP is one byte too far behind a port access
s|^    if (!access->string) {|&\n        cpu->eip++;|
