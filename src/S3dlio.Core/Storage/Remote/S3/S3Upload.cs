using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>A multipart upload under way: begun, given its parts in any order, then completed or aborted.</summary>
sealed class S3Upload
{
    /// <summary>S3's limit.</summary>
    public const int MostParts = 10_000;

    // assembling what was uploaded, or copying what is stored, takes servers minutes when it is large
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    // a failed upload is not made to wait for its own tidying
    static readonly TimeSpan AbortLimit = TimeSpan.FromSeconds(10);

    readonly S3Client _client;
    readonly string _bucket, _key, _subject, _id;
    readonly SortedList<int, Part> _parts = [];
    readonly Lock _gate = new();
    readonly bool _checked;

    S3Upload(S3Client client, string bucket, string key, string subject, string id, bool isChecked, bool isWhole)
    {
        (_client, _bucket, _key, _subject, _id, _checked, IsWhole) = (client, bucket, key, subject, id, isChecked, isWhole);
    }

    /// <summary>The server keeps and checks the CRC32C of the whole object.</summary>
    public bool IsWhole { get; private set; }

    /// <param name="note">The object's checksum for its metadata, where it is known beforehand.</param>
    /// <param name="blocks">Those of its blocks, likewise.</param>
    /// <param name="noteAlways">Put it there even where the server keeps checksums: of parts that it copies it takes none.</param>
    public static async ValueTask<S3Upload> BeginAsync(
        S3Client client, string bucket, string key, string subject, PutOptions options, Checksum? note, BlockChecksums? blocks, bool noteAlways, CancellationToken cancel)
    {
        var can = client.Capabilities;
        var request = new S3Request(HttpMethod.Post, bucket, key, subject).Ask("uploads");
        S3Meta.Write(request, options);
        if (can.SendsWithUpload || (can.SendsWithPut && can.Put == Support.Yes))
            request.Say("x-amz-checksum-algorithm", "CRC32C");
        if (can.SendsWithUpload)
            request.Say("x-amz-checksum-type", "FULL_OBJECT");
        if (note is { } checksum && client.Options.Checksum != ChecksumMode.Off && (noteAlways || can.Whole != Support.Yes))
            request.Say(S3Meta.ChecksumName, checksum.ToString());
        if (can.NotesBlocks)
            S3Meta.WriteBlocks(request, options, blocks);
        bool sent = can.SendsWithUpload;
        return await client.SendAsync(request, async (answer, _, stop) =>
        {
            bool isChecked = string.Equals(answer.Header("x-amz-checksum-algorithm"), "CRC32C", StringComparison.OrdinalIgnoreCase);
            // Ceph echoes the algorithm alone; what it made of the type is seen when the upload completes
            bool isWhole = isChecked && sent && answer.Header("x-amz-checksum-type") is not "COMPOSITE";
            var text = await answer.ReadTextAsync(1 << 20, stop).ConfigureAwait(false);
            string id = Find(text, "UploadId", subject);
            if (sent && !isWhole)
                can.SawUpload(false);
            return new S3Upload(client, bucket, key, subject, id, isChecked, isWhole);
        }, cancel).ConfigureAwait(false);
    }

    /// <summary>Uploads one part from memory that is not changed meanwhile.</summary>
    public async ValueTask PutAsync(int number, PayloadPieces pieces, PieceHash hash, IProgress<long>? progress, CancellationToken cancel)
    {
        var request = Request(HttpMethod.Put, new HttpBody(pieces.Pieces, progress), hash.Sha256)
            .Ask("partNumber", S3Meta.Number(number)).Ask("uploadId", _id);
        if (_checked)
            request.Say(S3Meta.ChecksumHeader, hash.Whole.ToBase64()).Say("x-amz-sdk-checksum-algorithm", "CRC32C");
        string tag = await _client.SendAsync(request, answer => answer.Header("ETag") ?? "", cancel).ConfigureAwait(false);
        Add(number, new Part(tag, hash.Whole, pieces.Length));
    }

    /// <summary>Makes a part of bytes that the server has already.</summary>
    public async ValueTask CopyAsync(int number, string source, string? sourceTag, long begin, long length, CancellationToken cancel)
    {
        var request = Request(HttpMethod.Put, null, null, Patience).Ask("partNumber", S3Meta.Number(number)).Ask("uploadId", _id)
            .Say("x-amz-copy-source", source)
            .Say("x-amz-copy-source-if-match", sourceTag is null ? null : ETags.Quoted(sourceTag))
            .Say("x-amz-copy-source-range", string.Create(CultureInfo.InvariantCulture, $"bytes={begin}-{begin + length - 1}"));
        var (tag, checksum) = await _client.SendAsync(request, async (answer, _, stop) =>
        {
            var result = S3Result.Parse(await ReadResultAsync(answer, request, stop).ConfigureAwait(false), _subject);
            return (result.ETag ?? "", result.Crc is { } crc && Checksum.TryParseBase64(crc, out var value) ? value : (Checksum?)null);
        }, cancel).ConfigureAwait(false);
        Add(number, new Part(tag, checksum, length));
    }

    /// <summary>The checksum of all parts in order, null when one of them has none.</summary>
    public Checksum? Whole
    {
        get
        {
            var whole = Checksum.Empty;
            foreach (var part in _parts.Values)
            {
                if (part.Checksum is not { } checksum)
                    return null;
                whole = Checksum.Combine(whole, checksum, part.Length);
            }
            return whole;
        }
    }

    public long Length => _parts.Values.Sum(part => part.Length);

    /// <summary>The ETag that S3 makes of its parts' ETags, by which a completed upload is known again; null where they are no MD5 values.</summary>
    public string? ExpectedTag
    {
        get
        {
            var all = new byte[_parts.Count * 16];
            for (int i = 0; i < _parts.Count; i++)
            {
                string tag = _parts.Values[i].Tag.Trim('"');
                if (tag.Length != 32 || Convert.FromHexString(tag, all.AsSpan(i * 16, 16), out _, out int written) != System.Buffers.OperationStatus.Done || written != 16)
                    return null;
            }
#pragma warning disable CA5351 // no secret is kept by it: S3 names objects that way
            return string.Create(CultureInfo.InvariantCulture, $"{Convert.ToHexStringLower(MD5.HashData(all))}-{_parts.Count}");
#pragma warning restore CA5351
        }
    }

    /// <summary>One attempt to make the object appear.</summary>
    public async ValueTask<(string? ETag, Checksum? Checksum)> AttemptCompleteAsync(PutOptions options, CancellationToken cancel)
    {
        byte[] body = Parts();
        var request = Request(HttpMethod.Post, new HttpBody(body), Convert.ToHexStringLower(SHA256.HashData(body)), Patience).Ask("uploadId", _id);
        request.Say("Content-Type", "application/xml");
        S3Meta.WriteCondition(request, options, _client.Capabilities);
        if (IsWhole && Whole is { } whole)
            request.Say(S3Meta.ChecksumHeader, whole.ToBase64()).Say("x-amz-checksum-type", "FULL_OBJECT");
        ReadOnlyMemory<byte> text;
        using (await _client.InFlight.EnterAsync(1, 0, cancel).ConfigureAwait(false))
        {
            try
            {
                using var answer = await _client.AttemptAsync(request, cancel).ConfigureAwait(false);
                text = await ReadResultAsync(answer, request, cancel).ConfigureAwait(false);
            }
            catch (HttpFailure failure) when (IsWhole && failure.Status == 400 && _client.Capabilities.Whole == Support.Unknown)
            {
                // it may be the whole object's checksum that this server does not take
                IsWhole = false;
                _client.Capabilities.SawUpload(false);
                throw new HttpFailure(failure.Error) { Transient = true, Status = failure.Status, Code = failure.Code };
            }
        }
        var result = S3Result.Parse(text, _subject);
        if (IsWhole)
            _client.Capabilities.SawUpload(result.Whole is not null && result.Type is "FULL_OBJECT");
        // older gateways leave the ETag empty
        return (ETags.Bare(result.ETag) ?? ExpectedTag, result.Whole);
    }

    /// <summary>Gives back what was uploaded; says nothing when that fails, since the lifecycle rules of the bucket will.</summary>
    public async ValueTask AbortAsync()
    {
        using var limit = new CancellationTokenSource(AbortLimit);
        try
        {
            await _client.SendAsync(Request(HttpMethod.Delete, null, null).Ask("uploadId", _id), static _ => true, limit.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is StoreException or OperationCanceledException)
        {
            // the failure that led here is the one to report
        }
    }

    /// <summary>Reads an answer that began with status 200 before the server knew how it would end.</summary>
    internal static async ValueTask<ReadOnlyMemory<byte>> ReadResultAsync(S3Client client, HttpAnswer answer, S3Request request, CancellationToken cancel)
    {
        var text = await answer.ReadTextAsync(1 << 20, cancel).ConfigureAwait(false);
        var error = S3Error.Parse(500, text);
        return error.Code.Length == 0 ? text : throw (error with { Message = Redaction.Clean(answer.Call, error.Message), RequestId = answer.Header("x-amz-request-id") }).ToFailure(request, client, client.Options.Region, client.Retry.Clock);
    }

    ValueTask<ReadOnlyMemory<byte>> ReadResultAsync(HttpAnswer answer, S3Request request, CancellationToken cancel) => ReadResultAsync(_client, answer, request, cancel);

    void Add(int number, Part part)
    {
        lock (_gate)
            _parts[number] = part;
    }

    byte[] Parts()
    {
        var text = new StringBuilder("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        foreach (var (number, part) in _parts)
        {
            text.Append("<Part><PartNumber>").Append(number).Append("</PartNumber><ETag>").Append(S3Xml.Escape(part.Tag)).Append("</ETag>");
            if (_checked && part.Checksum is { } checksum)
                text.Append("<ChecksumCRC32C>").Append(checksum.ToBase64()).Append("</ChecksumCRC32C>");
            text.Append("</Part>");
        }
        return S3Xml.Bytes(text.Append("</CompleteMultipartUpload>"));
    }

    S3Request Request(HttpMethod method, HttpBody? body, string? hash, TimeSpan? patience = null) =>
        new(method, _bucket, _key, _subject) { Body = body, PayloadHash = hash, Patience = patience };

    internal static string Find(ReadOnlyMemory<byte> text, string element, string subject) => S3Xml.Read(text, subject, xml =>
    {
        xml.Root();
        while (xml.Next() is { } name)
        {
            if (name == element && xml.Text() is { Length: > 0 } found)
                return found;
        }
        throw new StoreException(ErrorKind.InvalidData, subject, $"the answer holds no {element}; check endpoint_url: is it an S3 service?");
    });

    readonly record struct Part(string Tag, Checksum? Checksum, long Length);
}
