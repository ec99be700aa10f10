# fails: a kernel with processes
# mistake: the window opens without an exit
/    case VMM_EXIT_VINTR:$/d
