using System.Buffers.Binary;
using System.Security.Cryptography;
using S3dlio.Hashing;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>Everything that has to be known of a body before it goes, in one pass while each stretch is in the cache.</summary>
/// <param name="Whole">CRC32C of all pieces together.</param>
/// <param name="Pieces">CRC32C of each.</param>
/// <param name="Header">The header that has the service check the transfer, and its value; null for none.</param>
readonly record struct BodyHash(Checksum Whole, Checksum[] Pieces, KeyValuePair<string, string>? Header)
{
    const int StretchLength = 64 << 10;

    public static BodyHash Of(IReadOnlyList<ReadOnlyMemory<byte>> pieces, TransferCheck check, CancellationToken cancel)
    {
        var checksums = new Checksum[pieces.Count];
        var whole = Checksum.Empty;
        ulong crc64 = 0;
        bool any = false;
#pragma warning disable CA5351 // it guards against damage, not against forgery
        using var md5 = check == TransferCheck.Md5 ? IncrementalHash.CreateHash(HashAlgorithmName.MD5) : null;
#pragma warning restore CA5351
        for (int i = 0; i < pieces.Count; i++)
        {
            var bytes = pieces[i].Span;
            while (bytes.Length > 0)
            {
                cancel.ThrowIfCancellationRequested();
                var stretch = bytes[..Math.Min(StretchLength, bytes.Length)];
                checksums[i] = checksums[i].Append(stretch);
                if (check == TransferCheck.Crc64)
                    crc64 = Crc64.Append(crc64, stretch);
                md5?.AppendData(stretch);
                bytes = bytes[stretch.Length..];
                any = true;
            }
            whole = Checksum.Combine(whole, checksums[i], pieces[i].Length);
        }
        KeyValuePair<string, string>? header = check switch
        {
            _ when !any => null,
            TransferCheck.Crc64 => new("x-ms-content-crc64", ToBase64(crc64)),
            TransferCheck.Md5 => new("Content-MD5", Convert.ToBase64String(md5!.GetHashAndReset())),
            _ => null,
        };
        return new BodyHash(whole, checksums, header);
    }

    /// <summary>As the service writes it: eight bytes, little-endian.</summary>
    internal static string ToBase64(ulong crc64)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, crc64);
        return Convert.ToBase64String(bytes);
    }
}
