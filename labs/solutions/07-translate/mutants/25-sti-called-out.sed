# fails: CLI and STI
# mistake: STI is left to the VMM
/^    case VMM_CODE_STI:$/d
