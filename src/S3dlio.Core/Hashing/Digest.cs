using System.Buffers.Binary;
using System.Globalization;

namespace S3dlio.Hashing;

/// <summary>The checksums of other programs that can be compared however an object was read.</summary>
public enum DigestKind
{
    /// <summary>See <see cref="Hashing.Crc32"/>.</summary>
    Crc32,
    /// <summary>See <see cref="Crc64"/>.</summary>
    Crc64Nvme,
}

/// <summary>A checksum that another program gave an object. What s3dlio itself records is a <see cref="Checksum"/>.</summary>
/// <param name="Kind">Which function.</param>
/// <param name="Value">Its finished value.</param>
public readonly record struct Digest(DigestKind Kind, ulong Value)
{
    /// <summary>That of no bytes.</summary>
    public static Digest Empty(DigestKind kind) => new(kind, 0);

    /// <summary>Reads the big-endian base64 of S3's <c>x-amz-checksum-…</c> headers.</summary>
    public static Digest? FromBase64(DigestKind kind, string? text)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (text is null || !Convert.TryFromBase64String(text, bytes, out int length) || length != Width(kind) / 8)
            return null;
        return new Digest(
            kind, kind == DigestKind.Crc32 ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt64BigEndian(bytes));
    }

    /// <summary>The digest of <paramref name="data"/>.</summary>
    public static Digest Of(DigestKind kind, ReadOnlySpan<byte> data) =>
        new(kind, kind == DigestKind.Crc32 ? Crc32.Compute(data) : Crc64.Compute(data));

    /// <summary>
    /// That of these bytes with <paramref name="second"/>, the digest of <paramref name="secondLength"/> bytes, behind them.
    /// </summary>
    public Digest Then(Digest second, long secondLength) => this with
    {
        Value = Kind == DigestKind.Crc32
            ? Crc32.Combine((uint)Value, (uint)second.Value, secondLength)
            : Crc64.Combine(Value, second.Value, secondLength),
    };

    /// <summary><c>crc32:</c> or <c>crc64nvme:</c> and lower-case hexadecimal digits.</summary>
    public override string ToString() => Kind == DigestKind.Crc32
        ? string.Create(CultureInfo.InvariantCulture, $"crc32:{Value:x8}")
        : string.Create(CultureInfo.InvariantCulture, $"crc64nvme:{Value:x16}");

    static int Width(DigestKind kind) => kind == DigestKind.Crc32 ? 32 : 64;
}
