# fails: a directory becomes data
# mistake: the frame is a directory still when it is to be writable
/^void directory_end/,/^}/{
/VMM_HC_UNPIN/d
/map_own/a\
    put(VMM_HC_UNPIN, to_machine(frame));
}
