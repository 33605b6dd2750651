using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

sealed partial class S3Store
{
    // assembling what was uploaded, or copying what is stored, takes servers minutes when it is large
    static readonly TimeSpan ServerWork = TimeSpan.FromMinutes(10);

    // a failed upload is not made to wait for its own clean-up
    static readonly TimeSpan AbortLimit = TimeSpan.FromSeconds(10);

    /// <param name="key">The object to be.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="checksum">The object's checksum for its metadata, where it is known beforehand.</param>
    /// <param name="blocks">Those of its blocks, likewise.</param>
    /// <param name="isCopy">Servers take no checksums of parts that they copy, so the metadata has to hold the whole's.</param>
    async ValueTask<S3Upload> BeginAsync(
        string key, PutOptions options, Checksum? checksum, BlockChecksums? blocks, bool isCopy, CancellationToken cancel)
    {
        var can = _client.Capabilities;
        bool sent = can.SendsWithUpload;
        var request = Request(HttpMethod.Post, key).WithQuery("uploads");
        S3Meta.Write(request, options);
        request.WithHeader("x-amz-checksum-algorithm", sent || (can.SendsWithPut && can.Put == Support.Yes) ? "CRC32C" : null)
            .WithHeader("x-amz-checksum-type", sent ? "FULL_OBJECT" : null);
        if (_client.Options.Checksum != ChecksumMode.Off && (isCopy || can.Whole != Support.Yes))
            request.WithHeader(S3Meta.ChecksumName, checksum?.ToString());
        if (can.NotesBlocks)
            S3Meta.WriteBlocks(request, options, blocks);
        return await _client.SendAsync(request, async (answer, stop) =>
        {
            bool isChecked = string.Equals(answer.Header("x-amz-checksum-algorithm"), "CRC32C", StringComparison.OrdinalIgnoreCase);
            // Ceph echoes the algorithm alone; what it made of the type is seen when the upload completes
            bool isWhole = isChecked && sent && answer.Header("x-amz-checksum-type") is not "COMPOSITE";
            var result = S3Result.Parse(await answer.ReadTextAsync(1 << 20, stop).ConfigureAwait(false), request.Subject);
            string id = result.RequireUploadId(request.Subject);
            if (sent && !isWhole)
                can.SawUpload(false);
            return new S3Upload(this, key, id, isChecked, isWhole);
        }, cancel).ConfigureAwait(false);
    }

    /// <summary>A multipart upload under way.</summary>
    sealed class S3Upload(S3Store store, string key, string id, bool isChecked, bool isWhole) : PartUpload
    {
        /// <summary>S3's limit.</summary>
        public const int MostParts = 10_000;

        readonly S3Client _client = store._client;

        /// <summary>The server keeps and checks the CRC32C of the whole object.</summary>
        bool _isWhole = isWhole;

        /// <summary>
        /// The ETag that S3 makes of its parts' ETags, by which a completed upload is known again; null where they are no MD5 values.
        /// </summary>
        string? ExpectedTag
        {
            get
            {
                var all = new byte[Parts.Count * 16];
                for (int i = 0; i < Parts.Count; i++)
                {
                    string tag = Parts.Values[i].Tag.Trim('"');
                    if (tag.Length != 32 || Convert.FromHexString(
                            tag, all.AsSpan(i * 16, 16), out _, out int written) != System.Buffers.OperationStatus.Done || written != 16)
                        return null;
                }
#pragma warning disable CA5351 // no secret is kept by it: S3 names objects that way
                return string.Create(CultureInfo.InvariantCulture, $"{Convert.ToHexStringLower(MD5.HashData(all))}-{Parts.Count}");
#pragma warning restore CA5351
            }
        }

        protected override ValueTask<string> SendAsync(
            int number, PayloadPart part, PartHash hash, IProgress<long>? progress, CancellationToken cancel)
        {
            var request = PartRequest(number, new HttpBody(part.Pieces, progress), hash.Transfer);
            if (isChecked)
                S3Meta.WriteChecksum(request, hash.Whole);
            return _client.SendAsync(request, static answer => answer.Header("ETag") ?? "", cancel);
        }

        /// <summary>Makes a part of bytes that the server has already.</summary>
        public async ValueTask CopyAsync(int number, ObjectMeta source, long begin, long length, CancellationToken cancel)
        {
            var request = PartRequest(number, null, null, ServerWork).WithHeader("x-amz-copy-source-range", Range(begin, length));
            store.WriteSource(request, source);
            var result = await _client.SendAsync(
                request, (answer, stop) => _client.ReadResultAsync(answer, request, stop), cancel).ConfigureAwait(false);
            Add(number, new Part(result.ETag ?? "", Checksum.TryParseBase64(result.Crc, out var value) ? value : null, length, []));
        }

        public override async ValueTask<ObjectMeta> CompleteAsync(PutOptions options, CancellationToken cancel)
        {
            var whole = Whole;
            var written = await AssembleAsync(options, whole, cancel).ConfigureAwait(false);
            var checksum = whole ?? written.Checksum
                ?? throw new StoreException(ErrorKind.Internal, store.Root.Child(key), "an upload without checksums was completed");
            return store.Checked(key, Length, checksum, options, written);
        }

        /// <summary>Makes the object of its parts, under the options' condition.</summary>
        /// <param name="options">The condition.</param>
        /// <param name="expected">The object's checksum, by which it is known again when the answer is lost.</param>
        public async ValueTask<Written> AssembleAsync(PutOptions options, Checksum? expected, CancellationToken cancel)
        {
            if (!_isWhole && !options.Overwrite && await store.HeadOrNullAsync(key, cancel).ConfigureAwait(false) is not null)
                // servers without checksums are also those that ignore the condition; what is left of the gap is as small as it can be
                throw StoreException.Exists(store.Root.Child(key));
            var (length, tag) = (Length, ExpectedTag);
            return await store.MakeAsync(
                key, options, stop => AttemptAsync(options, stop), found => IsWritten(found.Meta, length, expected, tag),
                cancel).ConfigureAwait(false);
        }

        async ValueTask<Written> AttemptAsync(PutOptions options, CancellationToken cancel)
        {
            byte[] body = Document();
            var request = store.Request(
                HttpMethod.Post, key, new HttpBody(body), Convert.ToHexStringLower(SHA256.HashData(body)), ServerWork)
                .WithQuery("uploadId", id).WithHeader("Content-Type", "application/xml");
            S3Meta.WriteCondition(request, options, _client.Capabilities);
            if (_isWhole && Whole is { } whole)
                request.WithHeader(S3Meta.ChecksumHeader, whole.ToBase64()).WithHeader("x-amz-checksum-type", "FULL_OBJECT");
            S3Result result;
            try
            {
                result = await _client.OnceAsync(
                    request, (answer, stop) => _client.ReadResultAsync(answer, request, stop), cancel).ConfigureAwait(false);
            }
            catch (HttpFailure failure) when (_isWhole && failure.Status == 400 && _client.Capabilities.Whole == Support.Unknown)
            {
                // it may be the whole object's checksum that this server does not take
                _isWhole = false;
                _client.Capabilities.SawUpload(false);
                throw new HttpFailure(failure.Error) { Transient = true, Status = failure.Status, Code = failure.Code };
            }
            if (_isWhole)
                _client.Capabilities.SawUpload(result.Whole is not null && result.Type is "FULL_OBJECT");
            // older gateways leave the ETag empty
            return new Written(ETags.Bare(result.ETag) ?? ExpectedTag, result.Whole);
        }

        /// <summary>The lifecycle rules of the bucket abort what this cannot.</summary>
        public override async ValueTask AbortAsync()
        {
            using var limit = new CancellationTokenSource(AbortLimit);
            try
            {
                await _client.SendAsync(store.Request(HttpMethod.Delete, key).WithQuery("uploadId", id), limit.Token).ConfigureAwait(false);
            }
            catch (Exception error) when (error is StoreException or OperationCanceledException)
            {
                // the failure that led here is the one to report
            }
        }

        byte[] Document()
        {
            var text = new StringBuilder($"<CompleteMultipartUpload xmlns=\"{S3Xml.Namespace}\">");
            foreach (var (number, part) in Parts)
            {
                text.Append("<Part><PartNumber>").Append(
                    number).Append("</PartNumber><ETag>").Append(S3Xml.Escape(part.Tag)).Append("</ETag>");
                if (isChecked && part.Checksum is { } checksum)
                    text.Append("<ChecksumCRC32C>").Append(checksum.ToBase64()).Append("</ChecksumCRC32C>");
                text.Append("</Part>");
            }
            return S3Xml.Bytes(text.Append("</CompleteMultipartUpload>"));
        }

        RemoteRequest PartRequest(int number, HttpBody? body, string? hash, TimeSpan? patience = null) =>
            store.Request(HttpMethod.Put, key, body, hash, patience).WithQuery(
                "partNumber", S3Meta.Number(number)).WithQuery("uploadId", id);
    }
}
