using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>What S3 says of an object, or a part, that it has just made: CopyObjectResult, CopyPartResult, CompleteMultipartUploadResult.</summary>
/// <param name="ETag">In its quotes, null where there is none.</param>
/// <param name="Crc">CRC32C in base64, as the element says it.</param>
/// <param name="Type">FULL_OBJECT or COMPOSITE.</param>
readonly record struct S3Result(string? ETag, string? Crc, string? Type)
{
    /// <summary>The checksum of all bytes, null where the server has none or one of its parts' checksums.</summary>
    public Checksum? Whole => S3Meta.Native(Crc, Type, ETags.Bare(ETag));

    public static S3Result Parse(ReadOnlyMemory<byte> text, string subject) => S3Xml.Read(text, subject, Read);

    static S3Result Read(S3Xml xml)
    {
        xml.Root();
        var result = new S3Result();
        while (xml.Next() is { } name)
        {
            result = name switch
            {
                "ETag" => result with { ETag = xml.Text() },
                "ChecksumCRC32C" => result with { Crc = xml.Text() },
                "ChecksumType" => result with { Type = xml.Text() },
                _ => result,
            };
        }
        return result;
    }
}
