# file: dispatcher/direct.c
# property: equivalence
# mistake: a true fault has the other ring's error code
s|case SHADOW_TRUE_FAULT: return|case SHADOW_TRUE_FAULT: result.event.error_code ^= 4; return|
