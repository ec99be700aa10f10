# fails: a directory becomes data
# mistake: what was a directory stays one
/VMM_HC_UNPIN/d
