using System.Globalization;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>What S3 said instead of doing what it was asked.</summary>
sealed record S3Error(int Status, string Code, string Message)
{
    /// <summary>The region that the bucket lives in, where the answer names it.</summary>
    public string? Region { get; init; }

    public string? RequestId { get; init; }

    public DateTimeOffset? ServerTime { get; init; }

    public TimeSpan? RetryAfter { get; init; }

    public bool IsExpired => Code is "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired";

    /// <summary>Refused, and no word why.</summary>
    public bool IsMute => Code.Length == 0 && Status is (400 or 401 or 403);

    public static async ValueTask<S3Error> ReadAsync(HttpAnswer answer, int limit, TimeProvider clock, CancellationToken cancel)
    {
        var text = answer.Call.Method == HttpMethod.Head ? default : await answer.ReadTextAsync(limit, cancel).ConfigureAwait(false);
        var error = Parse(answer.Status, text);
        string? region = answer.Header("x-amz-bucket-region") ?? error.Region;
        if (!S3Endpoint.IsRegion(region))
            region = null;
        return error with
        {
            Message = Redaction.Clean(answer.Call, error.Message),
            // only these two mean that the request went to the wrong place
            Region = error.Code is "PermanentRedirect" or "AuthorizationHeaderMalformed" or "TemporaryRedirect" or "IllegalLocationConstraintException"
                || answer.Status is 301 or 307 || (answer.Status == 400 && error.Code.Length == 0) ? region : null,
            RequestId = answer.Header("x-amz-request-id") ?? error.RequestId,
            ServerTime = error.ServerTime ?? answer.Date("Date"),
            RetryAfter = answer.RetryAfter(clock),
        };
    }

    /// <summary>From an <c>&lt;Error&gt;</c> document, which may also come with status 200.</summary>
    public static S3Error Parse(int status, ReadOnlyMemory<byte> text)
    {
        var error = new S3Error(status, "", "");
        if (text.Span.IndexOf((byte)'<') < 0)
            return error;
        try
        {
            using var xml = new S3Xml(text);
            if (xml.Root() != "Error")
                return error;
            while (xml.Next() is { } name)
            {
                error = name switch
                {
                    "Code" => error with { Code = xml.Text() },
                    "Message" => error with { Message = xml.Text() },
                    "Region" => error with { Region = xml.Text() },
                    "RequestId" => error with { RequestId = xml.Text() },
                    "ServerTime" => error with { ServerTime = DateTimeOffset.TryParse(xml.Text(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null },
                    _ => error,
                };
            }
        }
        catch (System.Xml.XmlException)
        {
            // a proxy's page; its status is all there is to know
        }
        return error;
    }

    public HttpFailure ToFailure(S3Request request, S3Client client, string region, TimeProvider clock)
    {
        var (kind, transient, detail) = Explain(request, client, region, clock);
        bool throttled = Status is 429 or 503 || Code is "SlowDown" or "Throttling" or "ThrottlingException" or "RequestLimitExceeded" or "TooManyRequests";
        string id = RequestId is { Length: > 0 } ? $" [{(Code.Length > 0 ? Code : Status.ToString(CultureInfo.InvariantCulture))}, request {RequestId}]" : $" [{(Code.Length > 0 ? Code : Status.ToString(CultureInfo.InvariantCulture))}]";
        return new HttpFailure(new StoreException(kind, request.Subject, detail + id) { Reason = Reason })
        {
            Transient = transient,
            Throttled = throttled,
            // a server that fails within may have done the work before
            OutcomeUnknown = Status >= 500 && !throttled,
            RetryAfter = RetryAfter,
            Status = Status,
            Code = Code,
        };
    }

    ErrorReason Reason => Code switch
    {
        "InvalidAccessKeyId" => ErrorReason.UnknownAccessKey,
        "SignatureDoesNotMatch" => ErrorReason.WrongSecret,
        "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired" => ErrorReason.ExpiredCredentials,
        "RequestTimeTooSkewed" => ErrorReason.ClockSkew,
        "NoSuchBucket" => ErrorReason.NoSuchBucket,
        "AuthorizationHeaderMalformed" or "PermanentRedirect" or "TemporaryRedirect" or "IllegalLocationConstraintException" => ErrorReason.WrongRegion,
        "" when Status is 301 or 307 => ErrorReason.WrongRegion,
        _ => ErrorReason.None,
    };

    (ErrorKind Kind, bool Transient, string Detail) Explain(S3Request request, S3Client client, string region, TimeProvider clock)
    {
        string bucket = request.Bucket;
        return Code switch
        {
            "NoSuchKey" => (ErrorKind.NotFound, false, "no such object"),
            "NoSuchBucket" => (ErrorKind.NotFound, false, $"there is no bucket '{bucket}'; check its name and endpoint_url, or create it"),
            "NoSuchUpload" => (ErrorKind.NotFound, false, "the multipart upload is gone: another program or the bucket's lifecycle rules ended it"),
            "InvalidAccessKeyId" => (ErrorKind.Authentication, false, "the server does not know the access key id; check access_key_id (or AWS_ACCESS_KEY_ID, AWS_PROFILE) and that endpoint_url is the service it belongs to"),
            "SignatureDoesNotMatch" => (ErrorKind.Authentication, false, "the signature does not match: the secret key is wrong; check secret_access_key (or AWS_SECRET_ACCESS_KEY)"),
            "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired" => (ErrorKind.Authentication, false, "the session token has expired; get new credentials"),
            "InvalidToken" or "InvalidSecurity" => (ErrorKind.Authentication, false, "the session token is not valid; check session_token (or AWS_SESSION_TOKEN): long-term keys have none"),
            "RequestTimeTooSkewed" => (ErrorKind.Authentication, false, Skewed(clock)),
            "AuthorizationHeaderMalformed" or "PermanentRedirect" or "TemporaryRedirect" or "IllegalLocationConstraintException" => (ErrorKind.InvalidArgument, false, Elsewhere(bucket, client, region)),
            "AccessDenied" or "AllAccessDisabled" or "AccountProblem" => (ErrorKind.PermissionDenied, false, Denied(client)),
            "InvalidObjectState" => (ErrorKind.PermissionDenied, false, "the object is archived; restore it before reading"),
            "PreconditionFailed" => (ErrorKind.Precondition, false, "the object is not the one that the condition asks for"),
            "ConditionalRequestConflict" or "OperationAborted" => (ErrorKind.Unavailable, true, "another request for the same object or bucket is under way"),
            "BucketAlreadyExists" or "BucketAlreadyOwnedByYou" => (ErrorKind.AlreadyExists, false, $"the bucket '{bucket}' exists"),
            "BucketNotEmpty" => (ErrorKind.Precondition, false, $"the bucket '{bucket}' is not empty"),
            "EntityTooLarge" or "EntityTooSmall" or "InvalidPartOrder" => (ErrorKind.InvalidArgument, false, $"{Message}; option part_size sets how large the parts of an upload are"),
            "BadDigest" or "XAmzContentChecksumMismatch" or "XAmzContentSHA256Mismatch" or "InvalidDigest" or "ChecksumMismatch" =>
                (ErrorKind.ChecksumMismatch, true, "the bytes that arrived are not those that were sent: they were damaged on the way, or changed in memory meanwhile"),
            "QuotaExceeded" or "TooManyBuckets" or "ServiceQuotaExceeded" => (ErrorKind.OutOfSpace, false, $"a quota is used up: {Message}"),
            "RequestTimeout" or "RequestTimeoutException" => (ErrorKind.Timeout, true, "the server saw no data for too long"),
            "SlowDown" or "Throttling" or "ThrottlingException" or "RequestLimitExceeded" or "TooManyRequests" or "ServiceUnavailable" or "Busy" =>
                (ErrorKind.Unavailable, true, "the server asks to slow down"),
            "InternalError" => (ErrorKind.Unavailable, true, $"the server failed: {Message}"),
            "NotImplemented" => (ErrorKind.InvalidArgument, false, $"the server does not have this: {Message}"),
            "" => ByStatus(request, client, region),
            _ => ByStatus(request, client, region) is var (kind, transient, detail) && Message.Length > 0 ? (kind, transient, Message) : ByStatus(request, client, region),
        };
    }

    (ErrorKind Kind, bool Transient, string Detail) ByStatus(S3Request request, S3Client client, string region) => Status switch
    {
        400 => (ErrorKind.InvalidArgument, false, "the server refused the request"),
        401 => (ErrorKind.Authentication, false, "the server wants credentials; check access_key_id and secret_access_key"),
        403 => (ErrorKind.PermissionDenied, false, Denied(client)),
        404 => (ErrorKind.NotFound, false, "no such object or bucket"),
        405 => (ErrorKind.InvalidArgument, false, "the server does not allow this; check endpoint_url: is it an S3 service?"),
        408 => (ErrorKind.Timeout, true, "the server saw no data for too long"),
        409 => (ErrorKind.Unavailable, true, "another request for the same object is under way"),
        412 => (ErrorKind.Precondition, false, "the object is not the one that the condition asks for"),
        416 => (ErrorKind.InvalidArgument, false, "the range lies outside the object"),
        301 or 307 => (ErrorKind.InvalidArgument, false, Elsewhere(request.Bucket, client, region)),
        429 => (ErrorKind.Unavailable, true, "the server asks to slow down"),
        500 or 502 or 503 or 504 => (ErrorKind.Unavailable, true, $"the server failed with status {Status}"),
        507 => (ErrorKind.OutOfSpace, false, "the server is full"),
        >= 500 => (ErrorKind.Unavailable, false, $"the server failed with status {Status}"),
        _ => (ErrorKind.InvalidArgument, false, $"the server answered with status {Status}; check endpoint_url: is it an S3 service?"),
    };

    string Elsewhere(string bucket, S3Client client, string region)
    {
        string place = Region is { } home ? $"the bucket '{bucket}' is in region '{home}', not in '{region}'; set option region (or AWS_REGION) to '{home}'" : $"the bucket '{bucket}' is not in region '{region}'; set option region (or AWS_REGION) to its own";
        return $"{place}{(client.Endpoint.FollowsRegion ? "" : " and endpoint_url to an address of that region")}{(Message.Length > 0 ? $". The server says: {Message}" : "")}";
    }

    static string Denied(S3Client client) => client.Options.Anonymous
        ? "access is denied without credentials; leave out option anonymous"
        : "access is denied: the credentials are known but not allowed to do this; check the policies of user and bucket, and the bucket's name";

    string Skewed(TimeProvider clock)
    {
        if (ServerTime is not { } server)
            return "this machine's clock is wrong; set it (such as with NTP)";
        var off = clock.GetUtcNow() - server;
        return string.Create(CultureInfo.InvariantCulture, $"this machine's clock is {Math.Abs(off.TotalMinutes):0.#} minutes {(off > TimeSpan.Zero ? "fast" : "slow")}; set it (such as with NTP): signatures hold for 15 minutes");
    }
}
