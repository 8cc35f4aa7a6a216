// dynamic
/* Printing, parsing, rounding and the mathematical library. Results are printed in full. */
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    volatile double values[] = {0.0,  -0.0,       1.0 / 3,     2.5,      -2.5,       1e300, -1e-300, DBL_MIN,
                                5e-324, DBL_MAX, 123456.789, 0.1 + 0.2, 1e15 + 0.3, 9007199254740993.0};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        double v = values[i];
        printf("%a %.17g %g %.3f | %a %a %a %a %ld %d\n", v, v, v, fabs(v) < 1e10 ? v : 0, floor(v), ceil(v), rint(v),
               trunc(v), fabs(v) < 1e18 ? lrint(v) : 0, fabs(v) < 1e9 ? (int)v : 0);
        printf("  %a %a %.12g %.12g %.12g %.12g\n", sqrt(fabs(v)), (float)v, sin(fmod(v, 7)), exp(fmod(v, 7)),
               log(fabs(v) + 1), pow(fabs(v), 0.25));
    }
    volatile double a = 1, b = 3;
    int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (int i = 0; i < 4; i++) {
        fesetround(modes[i]);
        printf("%a %a %a %ld\n", a / b, -a / b, (double)((float)a / (float)b), lrint(a / b * 7.5));
    }
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    volatile double zero = 0, big = DBL_MAX, result;
    result = a / zero;
    printf("divide by zero %d\n", !!fetestexcept(FE_DIVBYZERO));
    result = zero / zero;
    printf("invalid %d, nan %d\n", !!fetestexcept(FE_INVALID), isnan(result));
    result = big * big;
    printf("overflow %d, inexact %d\n", !!fetestexcept(FE_OVERFLOW), !!fetestexcept(FE_INEXACT));
    printf("%a %a\n", fma(a / b, b, -a), fma(1e300, 1e10, -1e308));
    printf("%.20g %.17g\n", strtod("1.7976931348623157e308", NULL), strtod("2.2250738585072011e-308", NULL));
    long double wide = 1.0L / 3;
    printf("%d %.10Lf\n", (double)wide == 1.0 / 3, wide);
    float f = 16777217.0f;
    printf("%.9g %.9g %d\n", f, f / 3, (int)nearbyintf(f / 3));
}
