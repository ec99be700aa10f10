/* `$data#xx`, where xx is the sum of the data's bytes modulo 256 and '}' with a byte stands for
 * that byte with bit 5 flipped. A '$' inside of a packet begins another, so that a reader that came
 * in the middle, or lost a byte, finds the next one. */
#include "shell/gdb/packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { INTERRUPT = PACKET_CONTROL_C, ESCAPE = '}', FLIPPED = 0x20 };

int packet_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static enum packet_event begin(struct packet_reader *reader)
{
    reader->state = PACKET_DATA;
    reader->escaped = reader->too_long = reader->sum_broken = false;
    reader->sum = 0;
    reader->length = 0;
    return PACKET_NONE;
}

static enum packet_event take_outside(struct packet_reader *reader, uint8_t byte)
{
    switch (byte) {
    case '$': return begin(reader);
    case '+': return PACKET_ACK;
    case '-': return PACKET_NAK;
    case INTERRUPT: return PACKET_INTERRUPT;
    default: return PACKET_NONE;
    }
}

static enum packet_event take_data(struct packet_reader *reader, uint8_t byte)
{
    if (byte == '$')
        return begin(reader);
    if (byte == '#') {
        reader->state = PACKET_SUM_HIGH;
        return PACKET_NONE;
    }
    reader->sum = (uint8_t)(reader->sum + byte);
    if (byte == ESCAPE && !reader->escaped) {
        reader->escaped = true;
        return PACKET_NONE;
    }
    if (reader->length < PACKET_ROOM)
        reader->data[reader->length++] = (char)(reader->escaped ? byte ^ FLIPPED : byte);
    else
        reader->too_long = true;
    reader->escaped = false;
    return PACKET_NONE;
}

static enum packet_event finish(struct packet_reader *reader, uint8_t byte)
{
    int low = packet_digit((char)byte);
    reader->state = PACKET_IDLE;
    reader->data[reader->length] = '\0';
    if (low < 0 || reader->sum_broken || reader->too_long ||
        reader->sum != (reader->given << 4 | low))
        return PACKET_BAD;
    return PACKET_READY;
}

enum packet_event packet_take(struct packet_reader *reader, uint8_t byte)
{
    int high;
    switch (reader->state) {
    case PACKET_DATA: return take_data(reader, byte);
    case PACKET_SUM_HIGH:
        high = packet_digit((char)byte);
        reader->sum_broken = high < 0;
        reader->given = (uint8_t)(high < 0 ? 0 : high);
        reader->state = PACKET_SUM_LOW;
        return PACKET_NONE;
    case PACKET_SUM_LOW: return finish(reader, byte);
    default: return take_outside(reader, byte);
    }
}

/* '*' is escaped, too: in what the server sends it would stand for a repetition. */
size_t packet_frame(const char *data, size_t count, uint8_t *frame)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum = 0;
    size_t length = 0;
    frame[length++] = '$';
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)data[i];
        if (byte == '$' || byte == '#' || byte == ESCAPE || byte == '*') {
            frame[length++] = ESCAPE;
            byte ^= FLIPPED;
        }
        frame[length++] = byte;
    }
    for (size_t i = 1; i < length; i++)
        sum = (uint8_t)(sum + frame[i]);
    frame[length++] = '#';
    frame[length++] = (uint8_t)digits[sum >> 4];
    frame[length++] = (uint8_t)digits[sum & 15];
    return length;
}

bool packet_number(const char **text, uint32_t *number)
{
    const char *at = *text;
    uint64_t value = 0;
    for (; packet_digit(*at) >= 0; at++) {
        value = value << 4 | (unsigned)packet_digit(*at);
        if (value > UINT32_MAX)
            return false;
    }
    if (at == *text)
        return false;
    *number = (uint32_t)value;
    *text = at;
    return true;
}

bool packet_bytes(const char **text, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int high = packet_digit(**text), low = high < 0 ? -1 : packet_digit((*text)[1]);
        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
        *text += 2;
    }
    return true;
}

void packet_put(struct packet_reply *reply, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        packet_put_raw(reply, text,
                       (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void packet_put_raw(struct packet_reply *reply, const void *bytes, size_t count)
{
    if (count > PACKET_ROOM - reply->length)
        count = PACKET_ROOM - reply->length;
    memcpy(reply->data + reply->length, bytes, count);
    reply->length += count;
    reply->data[reply->length] = '\0';
}

void packet_put_hex(struct packet_reply *reply, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    for (size_t i = 0; i < count; i++)
        packet_put(reply, "%02x", from[i]);
}
