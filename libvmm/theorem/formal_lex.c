/* Cuts the text of a formal machine into tokens. Every byte is looked at once; nothing is copied.
 */
#include "formal_lex.h"

#include <string.h>

void formal_lex_start(struct formal_lexer *lexer, const char *text, size_t length)
{
    *lexer = (struct formal_lexer){text, text + length, 1, 1};
}

static void advance(struct formal_lexer *lexer)
{
    if (*lexer->next++ == '\n') {
        lexer->line++;
        lexer->column = 1;
    } else {
        lexer->column++;
    }
}

static void skip_space(struct formal_lexer *lexer)
{
    bool comment = false;
    while (lexer->next < lexer->end) {
        char c = *lexer->next;
        if (c == '#')
            comment = true;
        else if (c == '\n')
            comment = false;
        else if (!comment && c != ' ' && c != '\t' && c != '\r')
            return;
        advance(lexer);
    }
}

/* The C locale's classes, whatever locale the program runs in. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void lex_name(struct formal_lexer *lexer, struct formal_token *token)
{
    token->kind = FORMAL_TOKEN_NAME;
    while (lexer->next < lexer->end && (is_letter(*lexer->next) || is_digit(*lexer->next) ||
                                        *lexer->next == '_' || *lexer->next == '.'))
        advance(lexer);
}

static void lex_number(struct formal_lexer *lexer, struct formal_token *token)
{
    token->kind = FORMAL_TOKEN_NUMBER;
    while (lexer->next < lexer->end && is_digit(*lexer->next)) {
        token->number = token->number * 10 + (uint32_t)(*lexer->next - '0');
        if (token->number > FORMAL_TOKEN_LARGEST) {
            token->kind = FORMAL_TOKEN_BAD_NUMBER;
            token->number = FORMAL_TOKEN_LARGEST;
        }
        advance(lexer);
    }
}

static void lex_sign(struct formal_lexer *lexer, struct formal_token *token)
{
    char first = *lexer->next;
    token->kind = memchr(":,()[]+-*=<>", first, 12) ? FORMAL_TOKEN_SIGN : FORMAL_TOKEN_BAD;
    advance(lexer);
    bool equals = lexer->next < lexer->end && *lexer->next == '=';
    if (!equals || !memchr(":!<>", first, 4))
        return;
    token->kind = FORMAL_TOKEN_SIGN;
    advance(lexer);
}

struct formal_token formal_lex(struct formal_lexer *lexer)
{
    skip_space(lexer);
    struct formal_token token = {FORMAL_TOKEN_END, lexer->next, 0, lexer->line, lexer->column, 0};
    if (lexer->next == lexer->end)
        return token;
    if (is_letter(*lexer->next))
        lex_name(lexer, &token);
    else if (is_digit(*lexer->next))
        lex_number(lexer, &token);
    else
        lex_sign(lexer, &token);
    token.length = (size_t)(lexer->next - token.text);
    return token;
}

bool formal_token_is(const struct formal_token *token, const char *word)
{
    return (token->kind == FORMAL_TOKEN_NAME || token->kind == FORMAL_TOKEN_SIGN) &&
           token->length == strlen(word) && memcmp(token->text, word, token->length) == 0;
}
