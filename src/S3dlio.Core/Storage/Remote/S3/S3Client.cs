using System.Collections.Concurrent;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>Signs and sends; one for each distinct configuration, shared by all stores of the process that have it.</summary>
sealed class S3Client : RemoteClient
{
    static readonly SharedClients<S3Options, S3Client> Clients = new();

    readonly CredentialSource _credentials;
    readonly ConcurrentDictionary<string, SigV4Signer> _signers = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<string, string> _regions = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<string, bool> _buckets = new(StringComparer.Ordinal);

    internal S3Client(S3Options options, string subject, TimeProvider? clock = null)
        : base(options.Http, subject, clock)
    {
        Options = options;
        Endpoint = new S3Endpoint(options);
        Capabilities = new S3Capabilities(options, Endpoint);
        _credentials = CredentialSource.For(options);
    }

    public S3Options Options { get; }

    public S3Endpoint Endpoint { get; }

    public S3Capabilities Capabilities { get; }

    /// <summary>
    /// Whether a bucket of one name is one bucket to both. At Amazon names are unique throughout a partition, whatever region is asked.
    /// </summary>
    public bool IsSamePlaceAs(S3Client other) =>
        Endpoint.IsAmazon && other.Endpoint.IsAmazon
            ? S3Endpoint.Partition(Options.Region) == S3Endpoint.Partition(other.Options.Region)
            : Endpoint.Base == other.Endpoint.Base;

    public static S3Client Shared(S3Options options, string subject) => Clients.Get(options, () => new S3Client(options, subject));

    /// <summary>Whether a body of this store has to be hashed for the signature.</summary>
    public bool SignsPayload => Options.PayloadSigning ?? (!Options.Anonymous && (!Endpoint.IsTls || !Capabilities.VerifiesChecksums));

    /// <summary>One attempt. A bucket that lives in another region and keys that have expired are dealt with once, within it.</summary>
    public override async ValueTask<HttpResponse> AttemptAsync(RemoteRequest request, CancellationToken cancel)
    {
        bool moved = false, renewed = false;
        string region = _regions.GetValueOrDefault(request.Container, Options.Region);
        while (true)
        {
            var credentials = await _credentials.GetAsync(request.Subject, cancel).ConfigureAwait(false);
            HttpResponse answer;
            try
            {
                answer = await SendAsync(Sign(request, region, credentials), cancel).ConfigureAwait(false);
            }
            catch (HttpFailure)
            {
                // perhaps there is nothing in that region; the next call asks again where the bucket is
                _regions.TryRemove(request.Container, out _);
                throw;
            }
            if (answer.Status is >= 200 and < 300 || answer.Status == request.AlsoAccept)
            {
                // a region that was only named is not remembered: later calls would be lost in it
                if (moved)
                    _regions[request.Container] = region;
                if (request.Key.Length > 0)
                    _buckets.TryAdd(request.Container, true);
                return answer;
            }
            S3Error error;
            using (answer)
            {
                error = await S3Error.ReadAsync(answer, Retry.Clock, cancel).ConfigureAwait(false);
            }
            if (error.IsMute && error.Region is null && request.Method == HttpMethod.Head)
                error = await AskWhyAsync(request, region, credentials, error, cancel).ConfigureAwait(false);
            if (error.Region is { } home && home != region && !moved)
            {
                moved = true;
                Events.TellOnce($"region {request.Container} {home}", EventLevel.Info,
                    $"s3://{request.Container}/: the bucket is in region {home}, not in {region}; requests go there");
                region = home;
                continue;
            }
            if (error.Region is not null)
                _regions.TryRemove(request.Container, out _);
            else if (moved && error.Status is 404 or 412)
                // an answer about the object: that is where the bucket is
                _regions[request.Container] = region;
            if (error.IsExpired && !renewed && _credentials.Forget(credentials))
            {
                renewed = true;
                Events.Tell(EventLevel.Info,
                    $"{request.Subject}: the service says that the credentials have expired; others are asked for");
                continue;
            }
            if (error.Code == "NoSuchBucket")
                Forget(request.Container);
            else if (error is { Status: 404, Code: "" } && request.Method == HttpMethod.Head)
                error = await AskWhatIsMissingAsync(request, region, credentials, error, cancel).ConfigureAwait(false);
            throw error.ToFailure(request, this, region);
        }
    }

    /// <summary>What was seen of a bucket counts no longer.</summary>
    public void Forget(string bucket) => _buckets.TryRemove(bucket, out _);

    /// <summary>Reads an answer that began with status 200 before the server knew how it would end.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> ReadTextAsync(HttpResponse answer, RemoteRequest request, CancellationToken cancel)
    {
        var text = await answer.ReadTextAsync(1 << 20, cancel).ConfigureAwait(false);
        var error = S3Error.Parse(500, text);
        return error.Code.Length == 0 ? text
            : throw (error with { Message = Redaction.Clean(answer.Call, error.Message), RequestId = answer.Header("x-amz-request-id") })
            .ToFailure(request, this);
    }

    public async ValueTask<S3Result> ReadResultAsync(HttpResponse answer, RemoteRequest request, CancellationToken cancel) =>
        S3Result.Parse(await ReadTextAsync(answer, request, cancel).ConfigureAwait(false), request.Subject);

    /// <summary>A URL that carries its signature.</summary>
    public async ValueTask<string> PresignAsync(RemoteRequest request, TimeSpan expires, CancellationToken cancel)
    {
        string region = _regions.GetValueOrDefault(request.Container, Options.Region);
        var credentials = await _credentials.GetAsync(request.Subject, cancel).ConfigureAwait(false)
            ?? throw new StoreException(ErrorKind.Authentication, request.Subject, "an anonymous store has no keys to sign a URL with");
        var (host, path) = Endpoint.Locate(request.Container, request.Key, region);
        string query = Signer(region).PresignedQuery(
            request.Method.Method, path, request.Query, host, SigV4Signer.Stamp(Retry.Clock.GetUtcNow()), expires, credentials);
        return $"{(Endpoint.IsTls ? "https" : "http")}://{host}{path}?{query}";
    }

    /// <summary>The answer to a HEAD has no room for a reason; the same as a GET is refused for the same one.</summary>
    async ValueTask<S3Error> AskWhyAsync(
        RemoteRequest head, string region, S3Credentials? credentials, S3Error mute, CancellationToken cancel)
    {
        var request = new RemoteRequest(HttpMethod.Get, head.Container, head.Key, head.Subject) { Tally = head.Tally }
            .WithHeader("Range", "bytes=0-0");
        try
        {
            using var answer = await SendAsync(Sign(request, region, credentials), cancel).ConfigureAwait(false);
            if (answer.Status == mute.Status)
                return await S3Error.ReadAsync(answer, Retry.Clock, cancel).ConfigureAwait(false);
        }
        catch (HttpFailure)
        {
            // the status alone has to do
        }
        return mute;
    }

    /// <summary>
    /// The answer to a HEAD does not tell a missing object from a missing bucket. One question for each bucket that nothing has been seen
    /// of yet settles it.
    /// </summary>
    async ValueTask<S3Error> AskWhatIsMissingAsync(
        RemoteRequest head, string region, S3Credentials? credentials, S3Error mute, CancellationToken cancel)
    {
        if (head.Key.Length == 0)
            return mute with { Code = "NoSuchBucket" };
        if (_buckets.ContainsKey(head.Container))
            return mute with { Code = "NoSuchKey" };
        try
        {
            var request = new RemoteRequest(HttpMethod.Head, head.Container, "", head.Subject) { Tally = head.Tally };
            using var answer = await SendAsync(Sign(request, region, credentials), cancel).ConfigureAwait(false);
            if (answer.Status == 404)
                return mute with { Code = "NoSuchBucket" };
            if (answer.Status is >= 200 and < 300)
            {
                _buckets.TryAdd(head.Container, true);
                return mute with { Code = "NoSuchKey" };
            }
        }
        catch (HttpFailure)
        {
            // the status alone has to do
        }
        return mute;
    }

    internal HttpCall Sign(RemoteRequest request, string region, S3Credentials? credentials)
    {
        var (host, path) = Endpoint.Locate(request.Container, request.Key, region);
        string query = SigV4Signer.Query(request.Query);
        var call = new HttpCall
        {
            Method = request.Method,
            Origin = Endpoint.Origin(host),
            Target = query.Length == 0 ? path : $"{path}?{query}",
            Subject = request.Subject,
            Body = request.Body,
            Patience = request.Patience,
            Tally = request.Tally,
        };
        call.Headers.AddRange(request.Headers);
        Options.CustomerKey?.Write(call, request);
        if (Options.RequesterPays)
            call.Add("x-amz-request-payer", "requester");
        if (credentials is null)
            return call;
        string payload = request.Body is null or { Length: 0 } ? SigV4Signer.EmptyPayload : request.PayloadHash
            ?? SigV4Signer.UnsignedPayload;
        string stamp = SigV4Signer.Stamp(Retry.Clock.GetUtcNow());
        call.Add("x-amz-content-sha256", payload);
        call.Add("x-amz-date", stamp);
        if (credentials.SessionToken is { } token)
            call.Add("x-amz-security-token", token);
        call.Add("Authorization",
            Signer(region).Authorization(request.Method.Method, path, query, host, call.Headers, payload, stamp, credentials));
        return call;
    }

    SigV4Signer Signer(string region) => _signers.GetOrAdd(region, static name => new SigV4Signer(name));
}
