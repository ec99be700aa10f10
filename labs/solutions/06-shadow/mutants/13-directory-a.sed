# fails: a read
# mistake: A is not set in the directory
s/answer.directory_entry |= A;/answer.directory_entry |= 0;/
