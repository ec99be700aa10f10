# fails: a directory becomes data
# mistake: a directory is not one before it is used
/^void directory_begin/,/^}/{/PIN_DIRECTORY/d}
