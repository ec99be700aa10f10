# file: dispatcher/modules.c
# property: resource control
# mistake: every port is granted
s/\*allowed = !d->ports || ports_allow(.*);/*allowed = true;/
