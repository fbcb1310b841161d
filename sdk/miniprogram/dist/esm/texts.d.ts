import type { AuthError } from './errors.js';
/** The text for the user about an error of the kit, in the language that WeChat names (zh_CN, zh_TW, en, …). */
export declare function describe(error: Pick<AuthError, 'code' | 'reason'> | unknown, language: string): string;
/** The text about a phone number button that returned no code; empty if the user declined. */
export declare function describePhone(detail: {
    errno?: number;
    errMsg?: string;
}, language: string): string;
