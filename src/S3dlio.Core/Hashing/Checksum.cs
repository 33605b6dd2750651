using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace S3dlio.Hashing;

/// <summary>
/// The CRC-32C of some bytes, and the one place where such values are written as text and read from it:
/// <c>crc32c:1a2b3c4d</c> in s3dlio's own formats, big-endian base64 in S3's <c>x-amz-checksum-crc32c</c>.
/// </summary>
/// <param name="Value">The finished value, as <see cref="Crc32C"/> gives it. The default, 0, is the checksum of no bytes.</param>
public readonly record struct Checksum(uint Value)
{
    const string Prefix = "crc32c:";
    const int HexLength = 8;
    const int Base64Length = 8;

    /// <summary>
    /// Characters, and bytes of UTF-8, of the text form. It never varies, so a header can be sized before its data is hashed.
    /// </summary>
    public const int TextLength = 15;

    /// <summary>The checksum of no bytes.</summary>
    public static Checksum Empty => default;

    /// <summary>The checksum of <paramref name="data"/>.</summary>
    public static Checksum Of(ReadOnlySpan<byte> data) => new(Crc32C.Compute(data));

    /// <summary>The checksum of the bytes so far with <paramref name="data"/> after them.</summary>
    public Checksum Append(ReadOnlySpan<byte> data) => new(Crc32C.Append(Value, data));

    /// <summary>The checksum of two ranges of bytes in a row, from the checksums of each; nothing is read again.</summary>
    /// <param name="first">Checksum of the first range, of any length.</param>
    /// <param name="second">Checksum of the second range.</param>
    /// <param name="secondLength">Length of the second range in bytes, 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="secondLength"/> is negative.</exception>
    public static Checksum Combine(Checksum first, Checksum second, long secondLength) =>
        new(Crc32C.Combine(first.Value, second.Value, secondLength));

    /// <summary><c>crc32c:</c> and eight lower-case hexadecimal digits, <see cref="TextLength"/> characters in all.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Value:x8}");

    /// <summary>Eight lower-case hexadecimal digits.</summary>
    public string ToHex() => Value.ToString("x8", CultureInfo.InvariantCulture);

    /// <summary>Eight characters: the base64 of the value's four bytes, big-endian, as in S3's <c>x-amz-checksum-crc32c</c>.</summary>
    public string ToBase64()
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Value);
        return Convert.ToBase64String(bytes);
    }

    /// <summary>Writes the text form as <see cref="TextLength"/> bytes of UTF-8 at the start of <paramref name="utf8"/>.</summary>
    /// <returns>False, and nothing is written, when there is less room than that.</returns>
    public bool TryFormat(Span<byte> utf8)
    {
        if (utf8.Length < TextLength) return false;
        "crc32c:"u8.CopyTo(utf8);
        return Value.TryFormat(utf8[Prefix.Length..], out _, "x8", CultureInfo.InvariantCulture);
    }

    /// <summary>Reads the text form; its hexadecimal digits may be of either case.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is anything else, blanks around it and a missing prefix
    /// included.</exception>
    public static Checksum Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out Checksum checksum) ? checksum : Throw(text);
    }

    /// <summary>As <see cref="Parse"/>, without the exception.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Checksum checksum)
    {
        checksum = default;
        if (text.Length != TextLength || !text.StartsWith(Prefix, StringComparison.Ordinal)) return false;
        uint value = 0;
        // digit by digit: the framework's parser takes trailing NULs for nothing
        foreach (char digit in text[Prefix.Length..])
        {
            if (!char.IsAsciiHexDigit(digit)) return false;
            value = (value << 4) | (uint)(char.IsAsciiDigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
        }
        checksum = new(value);
        return true;
    }

    /// <summary>
    /// Reads what <see cref="ToBase64"/> writes: that form alone, so S3's composite checksums (<c>…==-3</c>) are refused.
    /// </summary>
    public static bool TryParseBase64(ReadOnlySpan<char> text, out Checksum checksum)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        checksum = default;
        if (text.Length != Base64Length || !Convert.TryFromBase64Chars(text, bytes, out int written)
                || written != bytes.Length) return false;
        Checksum read = new(BinaryPrimitives.ReadUInt32BigEndian(bytes));
        // the last digit carries four bits that base64 leaves unused; only zeros are canonical (RFC 4648, 3.5)
        Span<char> canonical = stackalloc char[Base64Length];
        if (!Convert.TryToBase64Chars(bytes, canonical, out _) || !text.SequenceEqual(canonical)) return false;
        checksum = read;
        return true;
    }

    [DoesNotReturn]
    static Checksum Throw(string text)
    {
        string found = text.Length <= 64 ? text : string.Concat(text.AsSpan(0, 64), "…");
        throw new FormatException(
            $"Expected a checksum such as \"crc32c:1a2b3c4d\" (the prefix and {HexLength} hexadecimal digits); found \"{found}\" "
            + $"({text.Length} characters).");
    }
}
