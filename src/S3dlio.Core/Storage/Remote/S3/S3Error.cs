using S3dlio.Http;
using static S3dlio.ErrorKind;

namespace S3dlio.Storage.Remote.S3;

/// <summary>What S3 said instead of doing what it was asked.</summary>
sealed record S3Error(int Status, string Code, string Message) : ServiceError(Status, Code, Message)
{
    /// <summary>The region that the bucket lives in, where the answer names it.</summary>
    public string? Region { get; init; }

    protected override string Service => S3Xml.Service;

    protected override string Container => "bucket";

    public bool IsExpired => Code is "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired";

    /// <summary>Refused, and no word why.</summary>
    public bool IsMute => Code.Length == 0 && Status is (400 or 401 or 403);

    public static async ValueTask<S3Error> ReadAsync(HttpResponse answer, TimeProvider clock, CancellationToken cancel)
    {
        var text = answer.Call.Method == HttpMethod.Head ? default : await answer.ReadBodyAsync(Limit, cancel).ConfigureAwait(false);
        var error = Parse(answer.Status, text);
        string? region = answer.Header("x-amz-bucket-region") ?? error.Region;
        if (!S3Endpoint.IsRegion(region))
            region = null;
        return error with
        {
            Message = Redaction.Clean(answer.Call, error.Message),
            // only these two mean that the request went to the wrong place
            Region = error.Code is "PermanentRedirect" or "AuthorizationHeaderMalformed" or "TemporaryRedirect"
                or "IllegalLocationConstraintException"
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
        // what came before the text broke off counts
        ServiceXml.TryRead(text, false, xml =>
        {
            while (xml.Root == "Error" && xml.Next() is { } name)
            {
                error = name switch
                {
                    "Code" => error with { Code = xml.Text() },
                    "Message" => error with { Message = xml.Text() },
                    "Region" => error with { Region = xml.Text() },
                    "RequestId" => error with { RequestId = xml.Text() },
                    "ServerTime" => error with { ServerTime = ServiceXml.Time(xml.Text()) },
                    _ => error,
                };
            }
            return true;
        });
        return error;
    }

    public HttpFailure ToFailure(RemoteRequest request, S3Client client, string? region = null) => ToFailure(
        request.Subject, Explain(request.Container, client, region ?? client.Options.Region), Reason,
        Status is 429 or 503 || Code is "SlowDown" or "Throttling" or "ThrottlingException" or "RequestLimitExceeded" or "TooManyRequests");

    ErrorReason Reason => Code switch
    {
        "InvalidAccessKeyId" => ErrorReason.UnknownAccessKey,
        "SignatureDoesNotMatch" => ErrorReason.WrongSecret,
        "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired" => ErrorReason.ExpiredCredentials,
        "RequestTimeTooSkewed" => ErrorReason.ClockSkew,
        "NoSuchBucket" => ErrorReason.NoSuchBucket,
        "AuthorizationHeaderMalformed" or "PermanentRedirect" or "TemporaryRedirect"
            or "IllegalLocationConstraintException" => ErrorReason.WrongRegion,
        "" when Status is 301 or 307 => ErrorReason.WrongRegion,
        _ => ErrorReason.None,
    };

    (ErrorKind Kind, bool Transient, string Detail) Explain(string bucket, S3Client client, string region) => Code switch
    {
        "NoSuchKey" => (NotFound, false, "no such object"),
        "NoSuchBucket" => (NotFound, false, $"there is no bucket '{bucket}'; check its name and endpoint_url, or create it"),
        "NoSuchUpload" => (NotFound, false, "the multipart upload is gone: another program or the bucket's lifecycle rules ended it"),
        "InvalidAccessKeyId" => (Authentication, false,
            "the server does not know the access key id; check access_key_id (or AWS_ACCESS_KEY_ID, AWS_PROFILE) and that endpoint_url "
            + "is the service it belongs to"),
        "SignatureDoesNotMatch" => (Authentication, false,
            "the signature does not match: the secret key is wrong; check secret_access_key (or AWS_SECRET_ACCESS_KEY)"),
        "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired" => (Authentication, false,
            "the session token has expired; get new credentials"),
        "InvalidToken" or "InvalidSecurity" => (Authentication, false,
            "the session token is not valid; check session_token (or AWS_SESSION_TOKEN): long-term keys have none"),
        "RequestTimeTooSkewed" => (Authentication, false, ClockOffset(client.Retry.Clock) is { } off
                    ? ClockIsOff(off)
                    : "this machine's clock is wrong; set it (such as with NTP)"),
        "AuthorizationHeaderMalformed" or "PermanentRedirect" or "TemporaryRedirect" or "IllegalLocationConstraintException" => (
            InvalidArgument, false, Elsewhere(bucket, client, region)),
        "AccessDenied" or "AllAccessDisabled" or "AccountProblem" => (PermissionDenied, false, Denied(client)),
        "InvalidObjectState" => (PermissionDenied, false, "the object is archived; restore it before reading"),
        "PreconditionFailed" => (Precondition, false, "the object is not the one that the condition asks for"),
        "ConditionalRequestConflict"
            or "OperationAborted" => (Unavailable, true, "another request for the same object or bucket is under way"),
        "BucketAlreadyExists" or "BucketAlreadyOwnedByYou" => (AlreadyExists, false, $"the bucket '{bucket}' exists"),
        "BucketNotEmpty" => (Precondition, false, $"the bucket '{bucket}' is not empty"),
        "EntityTooLarge" or "EntityTooSmall" or "InvalidPartOrder" => (InvalidArgument, false,
            $"{Message}; option part_size sets how large the parts of an upload are"),
        "BadDigest" or "XAmzContentChecksumMismatch" or "XAmzContentSHA256Mismatch" or "InvalidDigest" or "ChecksumMismatch" => (
            ChecksumMismatch, true, DamagedOnTheWay),
        "QuotaExceeded" or "TooManyBuckets" or "ServiceQuotaExceeded" => (OutOfSpace, false, $"a quota is used up: {Message}"),
        "RequestTimeout" or "RequestTimeoutException" => (ErrorKind.Timeout, true, "the server saw no data for too long"),
        "SlowDown" or "Throttling" or "ThrottlingException" or "RequestLimitExceeded" or "TooManyRequests" or "ServiceUnavailable"
            or "Busy" => (Unavailable, true, "the server asks to slow down"),
        "InternalError" => (Unavailable, true, $"the server failed: {Message}"),
        "NotImplemented" => (InvalidArgument, false, $"the server does not have this: {Message}"),
        "" when Status is 301 or 307 => (InvalidArgument, false, Elsewhere(bucket, client, region)),
        "" when Status == 401 => (Authentication, false, "the server wants credentials; check access_key_id and secret_access_key"),
        "" when Status == 403 => (PermissionDenied, false, Denied(client)),
        _ when Status == 409 => (Unavailable, true, Message.Length > 0 ? Message : "another request for the same object is under way"),
        _ => ByStatus(),
    };

    string Elsewhere(string bucket, S3Client client, string region)
    {
        string place = Region is { } home
            ? $"the bucket '{bucket}' is in region '{home}', not in '{region}'; set option region (or AWS_REGION) to '{home}'"
            : $"the bucket '{bucket}' is not in region '{region}'; set option region (or AWS_REGION) to its own";
        string endpoint = client.Endpoint.FollowsRegion ? "" : " and endpoint_url to an address of that region";
        return $"{place}{endpoint}{(Message.Length > 0 ? $". The server says: {Message}" : "")}";
    }

    static string Denied(S3Client client) => client.Options.Anonymous
        ? "access is denied without credentials; leave out option anonymous"
        : "access is denied: the credentials are known but not allowed to do this; check the policies of user and bucket, and the bucket's "
        + "name";
}
