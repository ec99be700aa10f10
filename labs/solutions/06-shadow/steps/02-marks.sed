# test: a read
# promises: EBX is 0x210007, expected 0x210027
s/\*page |= A;/(void)page;/
s/^        \*page |= D;/        (void)page;/
s/answer.directory_entry |= A;/answer.directory_entry |= 0;/
