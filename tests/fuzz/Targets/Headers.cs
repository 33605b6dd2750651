using System.Net.Http;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.Azure;
using S3dlio.Http;
using S3dlio.Storage.Remote.S3;

namespace S3dlio.Fuzz.Targets;

/// <summary>An answer's status and headers: the first line is a number, each further one a header.</summary>
abstract class HeadersTarget(params string[] fields) : Target
{
    static readonly HttpCall Call =
        new() { Method = HttpMethod.Get, Address = new Uri("http://127.0.0.1:1/x"), Subject = "s3://bucket/key" };

    public override IReadOnlyList<string> Tokens { get; } =
        [.. fields.Select(field => $"\n{field}: "), "bytes 0-99/1234", "bytes ", "-", "/", "*", "\"", "W/\"x\"",
            "Thu, 01 Jan 2026 00:00:00 GMT", "crc32c:00000000", "AAAAAA==", "COMPOSITE", "=?UTF-8?B?", "=?UTF-8?Q?", "?=", "262144*3,1;",
            "1234"];

    public override Grammar Grammar { get; } = new("answer", new Dictionary<string, string[]>
    {
        ["answer"] = ["206\nContent-Range: «range»\nContent-Length: «length»\n«lines»", "200\nContent-Length: «number»\n«lines»",
            "«number»\n«lines»"],
        ["lines"] = ["", "«field»: «value»\n«lines»", "«field»: «value»\n«lines»«lines»"],
        ["field"] = [.. fields, "x-amz-meta-«text»", "x-ms-meta-«text»", "«text»"],
        ["value"] = ["x", "«text»", "«number»", "«range»", "Thu, 01 Jan 2026 00:00:00 GMT", "\"e\"", "crc32c:1a2b3c4d", "AAAAAA==",
            "AAAAAA==-3", "AAAAAAAAAAA=", "COMPOSITE", "FULL_OBJECT", "=?UTF-8?B?«text»?=", "=?UTF-8?Q?«text»?=", "{\"a\":\"b\"}",
            "{\"a\":«text»}", "«number»*«number»,«number»;AAAAAA=="],
        ["range"] = ["bytes 0-99/1234", "bytes «number»-«number»/«number»", "bytes */«number»", "«text»", "Bytes 0-0/1"],
        ["length"] = ["100", "«number»"],
    });

    protected static HttpResponse Answer(byte[] input)
    {
        string[] lines = Text(input).Split('\n');
        _ = int.TryParse(lines[0], out int status);
        var block = new StringBuilder($"HTTP/1.1 {Math.Clamp(status, 102, 999)} X\r\n");
        foreach (string line in lines.Skip(1).Take(200))
        {
            // lines that are no headers are refused before anybody sees what they hold
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line.AsSpan(0, colon).IndexOfAnyExcept(HttpText.TokenChars) < 0 && line.AsSpan().IndexOfAny('\r', '\0') < 0)
                block.Append(line).Append("\r\n");
        }
        // only the head counts
        var head = HttpHead.Parse(Bytes(block.Append("\r\n").ToString()));
        return new HttpResponse(null!, null!, new HttpSettings(), Call, head, keep: false);
    }

    public override bool Documents(Exception fault) =>
        base.Documents(fault) || fault is HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse };

    /// <summary>Headers that all answers may have.</summary>
    protected static string Common(HttpResponse answer)
    {
        var wait = answer.RetryAfter(TimeProvider.System);
        Must(wait is null || wait >= TimeSpan.Zero, "nobody waits for the past");
        return $"{wait is null} {answer.Date("Date") is null}";
    }
}

sealed class S3HeadersTarget()
    : HeadersTarget(
        "Content-Range", "Content-Length", "Content-Type", "ETag", "Last-Modified", "Date", "Retry-After", "x-amz-checksum-crc32c",
        "x-amz-checksum-crc32",
    "x-amz-checksum-crc64nvme", "x-amz-checksum-type", "x-amz-meta-s3dlio-crc32c", "x-amz-meta-s3dlio-blocks", "x-amz-tagging-count",
        "x-amz-storage-class", "Cache-Control")
{
    public override string Name => "s3-headers";

    public override IEnumerable<byte[]> Seeds => Texts(
        "206\nContent-Range: bytes 0-99/1234\nContent-Length: 100\nETag: \"e\"\nLast-Modified: Thu, 01 Jan 2026 00:00:00 "
        + "GMT\nx-amz-checksum-crc32c: AAAAAA==\nx-amz-meta-a: =?UTF-8?B?w6Q=?=",
        "200\nContent-Length: 1048576\nRetry-After: 3\nx-amz-meta-s3dlio-crc32c: crc32c:00000000\nx-amz-meta-s3dlio-blocks: "
        + "262144*4;AAAAAAAAAAAAAAAAAAAAAA==");

    public override string Run(byte[] input)
    {
        using var answer = Answer(input);
        string common = Common(answer);
        var (start, size) = RemoteStore.Place("s3://bucket/key", answer, 0, 100);
        Must(start == 0 && size >= 0, "the object begins where it was asked for");
        var meta = S3Meta.Read("key", answer, size);
        Must(meta.Size == size && (meta.Blocks is null || meta.Blocks.Size == size), "the blocks are those of an object of this size");
        return $"{answer.Status} {common} {meta.Checksum is null} {meta.Digest?.Kind} {meta.Blocks is null} "
            + $"{Math.Min(2, meta.Metadata.Count)} {Math.Min(2, meta.Attributes.Count)} {meta.ETag is null}";
    }
}

sealed class AzureHeadersTarget()
    : HeadersTarget(
        "Content-Range", "Content-Length", "Content-Type", "ETag", "Last-Modified", "Date", "Retry-After", "x-ms-meta-s3dlio_crc32c",
        "x-ms-meta-s3dlio_blocks",
    "x-ms-meta-s3dlio_metadata", "x-ms-meta-s3dlio_write", "x-ms-tag-count", "x-ms-access-tier", "x-ms-version-id")
{
    public override string Name => "azure-headers";

    public override IEnumerable<byte[]> Seeds => Texts(
        "206\nContent-Range: bytes 0-99/1234\nContent-Length: 100\nETag: 0x8D\nx-ms-meta-s3dlio_crc32c: "
        + "crc32c:00000000\nx-ms-meta-s3dlio_metadata: {\"a b\":\"c\"}\nx-ms-meta-x: =?UTF-8?B?w6Q=?=",
        "200\nContent-Length: 100\nRetry-After: Thu, 01 Jan 2099 00:00:00 GMT\nx-ms-meta-s3dlio_blocks: 100;AAAAAA==");

    public override string Run(byte[] input)
    {
        using var answer = Answer(input);
        string common = Common(answer);
        var (_, size) = RemoteStore.Place("az://account/container/key", answer, 0, 100);
        var (meta, write) = BlobHeaders.Read("key", answer, size);
        Must(meta.Size >= 0 && (meta.Blocks is null || meta.Blocks.Size == meta.Size), "the blocks are those of an object of this size");
        return $"{answer.Status} {common} {meta.Checksum is null} {meta.Blocks is null} {Math.Min(2, meta.Metadata.Count)} {write is null} "
            + $"{meta.ETag is null}";
    }
}

/// <summary>Users' metadata in headers: what is written reads the same, and whatever others wrote can be read.</summary>
sealed class MetadataTextTarget : Target
{
    public override string Name => "metadata-text";

    public override IEnumerable<byte[]> Seeds => Texts(
        "plain", "=?UTF-8?B?w6Q=?=", "=?UTF-8?Q?a=20b_c?=", " a ", "", "ä\0");

    public override IReadOnlyList<string> Tokens { get; } = ["=?UTF-8?B?", "=?utf-8?Q?", "?=", "=C3=A4", "_", "  "];

    public override bool Documents(Exception fault) => false;

    public override string Run(byte[] input)
    {
        string text = Text(input);
        string s3 = S3Meta.Encode(text), azure = BlobMetadata.Encode(text);
        Must(HeaderText.Decode(s3) == text, "what is written to S3 reads the same");
        Must(HeaderText.Decode(azure) == text, "what is written to Azure reads the same");
        Must(s3.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0 && azure.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0,
            "headers are printable ASCII");
        return $"{HeaderText.Decode(text) == text} {HeaderText.Decode(text) == text} {s3 == text} {azure == text}";
    }
}

/// <summary>Percent-encoding, both ways.</summary>
sealed class EncodingTarget : Target
{
    public override string Name => "encoding";

    // what is checked here takes the text apart many times
    public override long Allowance(int length) => 4 * base.Allowance(length);

    public override IEnumerable<byte[]> Seeds => Texts(
        "a/b c+d", "%41%2f%", "ä%C3%A4😀", "%ED%A0%80");

    public override bool Documents(Exception fault) => false;

    public override string Run(byte[] input)
    {
        string text = Text(input);
        Must(Uri.UnescapeDataString(PercentEncoding.Value(text)) == text && PercentText.Decode(PercentEncoding.Value(text)) == text,
            "a value that is encoded reads the same");
        Must(PercentText.Decode(PercentEncoding.Path(text)) == text, "a path that is encoded reads the same");
        string decoded = PercentText.Decode(text);
        Must(decoded.Length <= text.Length, "decoding makes nothing longer");
        return $"{decoded == text} {decoded.Contains('\uFFFD', StringComparison.Ordinal)}";
    }
}

/// <summary>Checksums as text.</summary>
sealed class ChecksumTarget : Target
{
    public override string Name => "checksum";

    public override IEnumerable<byte[]> Seeds => Texts(
        "crc32c:1a2b3c4d", "CRC32C:1A2B3C4D", "AAAAAA==", "AAAAAAAAAAA=", "////////////////////////");

    public override IReadOnlyList<string> Tokens { get; } = ["crc32c:", "=", "==", "-3", "0000", "/", "+"];

    public override bool Documents(Exception fault) =>
        fault is FormatException && fault.Message.StartsWith("Expected a checksum", StringComparison.Ordinal);

    public override string Run(byte[] input)
    {
        string text = Text(input);
        if (Checksum.TryParseBase64(text, out var native))
            Must(native.ToBase64() == text, "base64 is taken in the one form in which it is written");
        foreach (var kind in Enum.GetValues<DigestKind>())
            Must(Digest.FromBase64(kind, text) is not { } digest || digest.Kind == kind, "a digest is of the kind that was asked for");
        var checksum = Checksum.Parse(text);
        Must(string.Equals(checksum.ToString(), text, StringComparison.OrdinalIgnoreCase)
                && text.StartsWith("crc32c:", StringComparison.Ordinal), "a checksum reads as it is written");
        return "checksum";
    }
}

/// <summary>Checksums of blocks, behind a line with the object's size.</summary>
sealed class BlockChecksumsTarget : Target
{
    public override string Name => "block-checksums";

    public override IEnumerable<byte[]> Seeds => Texts(
        "1048576\n262144*4;AAAAAAAAAAAAAAAAAAAAAA==", "5\n5;AAAAAA==", "7\n3,4;AAAAAAAAAAA=");

    public override Grammar Grammar { get; } = new("all", new Dictionary<string, string[]>
    {
        ["all"] = ["«number»\n«runs»;«values»", "6\n2*3;AAAAAAAAAAAAAAAA", "«number»\n«number»;AAAAAA=="],
        ["runs"] = ["«number»", "«number»*«number»", "«number»*«number»,«runs»", "2,«runs»"],
        ["values"] = ["", "AAAA«values»", "====", "AAAAAA==", "«text»"],
    });

    public override bool Documents(Exception fault) => false;

    public override string Run(byte[] input)
    {
        string text = Text(input);
        int line = text.IndexOf('\n', StringComparison.Ordinal);
        if (line < 0 || !long.TryParse(text[..line], out long size) || size < 0)
            return "no size";
        var blocks = BlockChecksums.Parse(text[(line + 1)..], size);
        if (blocks is null)
            return "none";
        Must(blocks.Size == size && blocks.Count > 0 && blocks.Begin(0) == 0 && blocks.End(blocks.Count - 1) == size,
            "the blocks are the object");
        Must(Enumerable.Range(0, blocks.Count).All(
                i => blocks.End(i) > blocks.Begin(i) && blocks.At(blocks.Begin(i)) == i && blocks.At(blocks.End(i) - 1) == i),
            "each byte lies in one block");
        Must(blocks.Equals(BlockChecksums.Parse(blocks.ToString(), size)), "what is written again reads the same");
        return $"{Math.Min(3, blocks.Count)} blocks";
    }
}

/// <summary>The extended attributes of files.</summary>
sealed class FileAttributeRecordTarget : Target
{
    const string Uri = "file:///fuzz/x";

    public override string Name => "object-record";

    public override IEnumerable<byte[]> Seeds => Texts(
        "crc32c:1a2b3c4d 12345",
        "{\"content_type\":\"a/b\",\"attributes\":{\"cache_control\":\"x\"},\"metadata\":{\"a\":\"b\"},\"later\":[1,{}]}");

    public override IReadOnlyList<string> Tokens { get; } =
        ["crc32c:", " ", "\"content_type\":", "\"metadata\":{", "\"attributes\":{", "}", "\\ud800", "null"];

    public override string Run(byte[] input)
    {
        if (input.Length > 0 && input[0] != '{')
        {
            var found = Storage.Local.FileAttributeRecord.ParseChecksum(input, Uri);
            Must(found.Checksum is not null && found.Size >= 0, "a checksum is of some bytes");
            return "checksum";
        }
        var record = Storage.Local.FileAttributeRecord.ParseMeta(Storage.Local.FileAttributeRecord.Empty, input, Uri);
        var again = Storage.Local.FileAttributeRecord.ParseMeta(Storage.Local.FileAttributeRecord.Empty, record.ToJson(), Uri);
        Must(again.ContentType == record.ContentType && again.Metadata.Count == record.Metadata.Count
                && again.Attributes.Count == record.Attributes.Count
            && again.Metadata.All(pair => record.Metadata[pair.Key] == pair.Value), "what is written again reads the same");
        return $"{record.ContentType is null} {Math.Min(2, record.Metadata.Count)} {Math.Min(2, record.Attributes.Count)}";
    }
}
