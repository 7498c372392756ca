/* Days and moments, as numbers of days or microseconds since 1970 and as text. Years are 0 to 9999, in the calendar of today.
 *
 * https://howardhinnant.github.io/date_algorithms.html
 */
#ifndef DATES_H
#define DATES_H

#include <stdbool.h>

#include "text.h"

typedef struct {
    int year, month, day, hour, minute, second, fraction; /* fraction: microseconds */
} Moment;

/* Whether a calendar has the day; zero, partial and invalid dates it has not. */
static bool in_calendar(const Moment *moment) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (moment->month < 1 || moment->month > 12 || moment->day < 1) return false;
    bool leap = moment->year % 4 == 0 && (moment->year % 100 != 0 || moment->year % 400 == 0);
    return moment->day <= lengths[moment->month - 1] + (moment->month == 2 && leap);
}

/* Days since 1970, for years from 0 on (H. Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days(const Moment *moment) {
    int64_t shifted = moment->year - (moment->month <= 2) + 400; /* so that nothing is below zero */
    int64_t era = shifted / 400, of_era = shifted % 400;
    int64_t of_year = (153 * (moment->month + (moment->month > 2 ? -3 : 9)) + 2) / 5 + moment->day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468 - 146097;
}

static int64_t microseconds(const Moment *moment) {
    return (((days(moment) * 24 + moment->hour) * 60 + moment->minute) * 60 + moment->second) * 1000000 + moment->fraction;
}

static Moment day_of(int64_t day) {
    int64_t shifted = day + 719468 + 146097;
    int64_t era = shifted / 146097, of_era = shifted % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * of_year + 2) / 153;
    Moment found = {.month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9};
    found.year = year_of_era + (era - 1) * 400 + (found.month <= 2);
    found.day = of_year - (153 * shifted_month + 2) / 5 + 1;
    return found;
}

static Moment moment_of(int64_t value) {
    const int64_t of_day = (int64_t)24 * 3600 * 1000000;
    int64_t day = value / of_day - (value % of_day < 0), left = value - day * of_day;
    Moment found = day_of(day);
    found.fraction = left % 1000000;
    found.second = left / 1000000 % 60;
    found.minute = left / 60000000 % 60;
    found.hour = left / 3600000000;
    return found;
}

/* `YYYY-MM-DD` */
static uint8_t *day_text(uint8_t *to, const Moment *moment) {
    two_digits(to, moment->year / 100, 0);
    to = two_digits(to + 2, moment->year % 100, '-');
    to = two_digits(to, moment->month, '-');
    return two_digits(to, moment->day, 0) - 1;
}

/* `HH:MM:SS`, with so many places of a second */
static uint8_t *time_text(uint8_t *to, int hour, int minute, int second, int fraction, int places) {
    to = two_digits(to, hour, ':');
    to = two_digits(to, minute, ':');
    to = two_digits(to, second, '.');
    if (!places) return to - 1;
    for (int unit = 100000; places--; unit /= 10) *to++ = '0' + fraction / unit % 10;
    return to;
}

static uint8_t *moment_text(uint8_t *to, const Moment *moment, int places) {
    to = day_text(to, moment);
    *to++ = ' ';
    return time_text(to, moment->hour, moment->minute, moment->second, moment->fraction, places);
}

#endif
