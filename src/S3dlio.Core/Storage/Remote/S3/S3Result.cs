using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>
/// What S3 says of an object, or a part, that it has just made: CopyObjectResult, CopyPartResult, CompleteMultipartUploadResult.
/// </summary>
/// <param name="ETag">In its quotes, null where there is none.</param>
/// <param name="Crc">CRC32C in base64.</param>
/// <param name="Type">FULL_OBJECT or COMPOSITE.</param>
/// <param name="UploadId">Of an upload that was begun.</param>
readonly record struct S3Result(string? ETag, string? Crc, string? Type, string? UploadId)
{
    /// <summary>The checksum of all bytes, null where the server has none or one of its parts' checksums.</summary>
    public Checksum? Whole => S3Meta.Native(Crc, Type, ETags.Bare(ETag));

    /// <exception cref="StoreException">InvalidData where there is none.</exception>
    public string RequireUploadId(string subject) => UploadId is { Length: > 0 } id ? id
        : throw StoreException.InvalidData(subject, "the answer holds no UploadId; check endpoint_url: is it an S3 service?");

    public static S3Result Parse(ReadOnlyMemory<byte> text, string subject) => S3Xml.Read(text, subject, static xml =>
    {
        var fields = xml.AllFields();
        return new S3Result(
            fields.GetValueOrDefault("ETag"), fields.GetValueOrDefault("ChecksumCRC32C"), fields.GetValueOrDefault("ChecksumType"),
            fields.GetValueOrDefault("UploadId"));
    });
}
