using System.Globalization;
using S3dlio.Http;
using static S3dlio.ErrorKind;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>What the service said instead of doing what it was asked.</summary>
/// <param name="Status">HTTP's.</param>
/// <param name="Code">The service's name for it, from <c>x-ms-error-code</c> or the document; empty when there is none.</param>
/// <param name="Message">The first line of its message.</param>
sealed record AzureError(int Status, string Code, string Message) : ServiceError(Status, Code, Message)
{
    /// <summary>The service takes dates that are off by this much.</summary>
    static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(15);

    /// <summary>
    /// Why a login is refused, in the service's words; empty when it does not say. It may repeat what was signed: not to be shown but for
    /// bearer tokens, and not public, so that it is not printed.
    /// </summary>
    internal string AuthenticationDetail { get; init; } = "";

    protected override string Service => AzureStore.ServiceName;

    protected override string Container => "container";

    /// <summary>It is about who asks, not about what that one may do: another token can mend it.</summary>
    public bool RefusesLogin => Status == 401 || Code is "AuthenticationFailed" or "InvalidAuthenticationInfo";

    public static async ValueTask<AzureError> ReadAsync(HttpResponse answer, TimeProvider clock, CancellationToken cancel)
    {
        var text = answer.Call.Method == HttpMethod.Head ? default : await answer.ReadBodyAsync(Limit, cancel).ConfigureAwait(false);
        var error = Parse(answer.Status, answer.Header("x-ms-error-code"), text);
        return error with
        {
            Message = Redaction.Clean(answer.Call, error.Message),
            AuthenticationDetail = Redaction.Clean(answer.Call, error.AuthenticationDetail),
            RequestId = answer.Header("x-ms-request-id"),
            ServerTime = answer.Date("Date"),
            RetryAfter = answer.RetryAfter(clock),
        };
    }

    /// <summary>From a header and an <c>&lt;Error&gt;</c> document, either of which may be missing.</summary>
    public static AzureError Parse(int status, string? code, ReadOnlyMemory<byte> text)
    {
        var error = new AzureError(status, code ?? "", "");
        // what came before the text broke off counts
        ServiceXml.TryRead(text, false, xml =>
        {
            while (xml.Root == "Error" && xml.Next() is { } name)
            {
                error = (xml.Depth, name) switch
                {
                    (1, "Code") when error.Code.Length == 0 => error with { Code = xml.Text() },
                    (1, "Message") => error with { Message = FirstLine(xml.Text()) },
                    (1, "AuthenticationErrorDetail") => error with { AuthenticationDetail = FirstLine(xml.Text()) },
                    _ => error,
                };
            }
            return true;
        });
        return error;
    }

    public HttpFailure ToFailure(RemoteRequest request, AzureAccount account, TimeProvider clock) =>
        ToFailure(request.Subject, Explain(request, account, clock), Reason(account, clock), Code is "ServerBusy" || Status is 429);

    ErrorReason Reason(AzureAccount account, TimeProvider clock) => Code switch
    {
        "AuthenticationFailed" or "InvalidAuthenticationInfo" or "NoAuthenticationInformation" when Skewed(clock) is not null =>
            ErrorReason.ClockSkew,
        _ when EndedSignature(account, clock) is not null => ErrorReason.ExpiredCredentials,
        _ when account.Credential is BearerCredential && RefusesLogin => IsExpiredToken ? ErrorReason.ExpiredCredentials : ErrorReason.None,
        "AuthenticationFailed" => ErrorReason.WrongSecret,
        "AuthorizationFailure" when account.Credential is SharedKeyCredential => ErrorReason.WrongSecret,
        "NoAuthenticationInformation" or "PublicAccessNotPermitted" => ErrorReason.NoCredentials,
        "ContainerNotFound" => ErrorReason.NoSuchBucket,
        _ => ErrorReason.None,
    };

    (ErrorKind Kind, bool Transient, string Detail) Explain(RemoteRequest request, AzureAccount account, TimeProvider clock)
    {
        string container = request.Container;
        string who = $"'{account.Name}' with {account.Credential.Origin}";
        return Code switch
        {
            "AuthenticationFailed" or "InvalidAuthenticationInfo" or "NoAuthenticationInformation" when Skewed(clock) is { } skewed => (
                Authentication, false, skewed),
            _ when EndedSignature(account, clock) is { } end => (Authentication, false, string.Create(CultureInfo.InvariantCulture,
                $"the shared access signature for {who} ended at {end:yyyy-MM-dd HH:mm:ss} UTC; make a new one, and open the store with "
                + $"that")),
            _ when account.Credential is BearerCredential && RefusesLogin => (Authentication, false,
                $"the service refuses the token for {who}, and the new one that was asked "
                + $"for{(AuthenticationDetail.Length > 0 ? $": {AuthenticationDetail.TrimEnd('.')}" : "")}; log in anew ('az login') or "
                + "see to the identity that the token is for: it must be of the account's tenant"),
            "AuthenticationFailed" when account.Credential is SasCredential => (Authentication, false,
                $"the shared access signature for {who} is refused: it is wrong, has expired, or was made with a key that has been "
                + "renewed; make a new one"),
            "AuthenticationFailed" => (Authentication, false,
                $"the service refuses the login to {who}: the key is not (or no longer) this account's; check it against 'Access keys' of "
                + "the account"),
            "InvalidAuthenticationInfo" => (Authentication, false, $"the service cannot read the login to {who}: {Message}"),
            "NoAuthenticationInformation" => (Authentication, false,
                "the container is not public; give credentials instead of credential='anonymous'"),
            "PublicAccessNotPermitted" => (Authentication, false,
                "the account allows no public access; give credentials instead of credential='anonymous'"),
            "KeyBasedAuthenticationNotPermitted" => (PermissionDenied, false,
                "the account does not allow logins with its keys; use credential='default' with a role such as Storage Blob Data "
                + "Contributor"),
            "AuthorizationFailure" when account.Credential is SharedKeyCredential => (Authentication, false,
                $"the service refuses the login to {who}: the key is not this account's, or the account's firewall keeps this machine out"),
            "AuthorizationFailure" or "AuthorizationPermissionMismatch" or "InsufficientAccountPermissions"
                or "AuthorizationServiceMismatch" or "AuthorizationResourceTypeMismatch" => (PermissionDenied, false,
                $"{who} is not allowed to do this; a user needs a role such as Storage Blob Data Contributor (roles take minutes to "
                + "arrive), a SAS the right permission (r, c, w, d or l) and resource; the account's firewall may also keep this "
                + "machine out"),
            "AuthorizationProtocolMismatch" => (PermissionDenied, false, "the shared access signature is for https only"),
            "AuthorizationSourceIPMismatch" => (PermissionDenied, false,
                "the shared access signature is for other IP addresses than this machine's"),
            "AccountRequiresHttps" => (InvalidArgument, false, "the account wants https; check endpoint_url"),
            "AccountIsDisabled" => (PermissionDenied, false, $"the account '{account.Name}' is disabled"),
            "AccountBeingCreated" => (Unavailable, true, $"the account '{account.Name}' is still being made"),
            "ContainerNotFound" => (NotFound, false, $"no such container '{container}' in the account '{account.Name}'; create it first"),
            "ContainerBeingDeleted" => (Unavailable, false,
                $"the container '{container}' is being deleted, which takes half a minute and more; try later"),
            "ContainerDisabled" => (Unavailable, false, $"the container '{container}' is disabled"),
            "ContainerAlreadyExists" => (AlreadyExists, false, $"the container '{container}' exists"),
            "BlobNotFound" => (NotFound, false, "no such object"),
            "ResourceNotFound" => (NotFound, false, account.Credential is AnonymousCredential
                ? "no such object or container, or it is not public: the service does not tell which without credentials"
                : "no such object or container"),
            "BlobAlreadyExists" => (AlreadyExists, false, "the object exists and overwrite is off"),
            "ConditionNotMet" or "TargetConditionNotMet" or "SourceConditionNotMet" => (Precondition, false,
                "the object is not the one that the condition asks for: it was written since"),
            "InvalidBlockList" => (Precondition, false,
                "another writer of this name finished meanwhile, and the service dropped the blocks of this one; write again"),
            "InvalidBlobOrBlock" => (Precondition, false,
                "another program left unfinished blocks with identifiers of another length under this name; delete the object, or wait "
                + "the week after which the service drops them"),
            "BlockCountExceedsLimit" or "BlockListTooLong" => (InvalidArgument, false,
                "more blocks than the service takes; set option part_size higher"),
            "InvalidBlobType" => (InvalidArgument, false,
                "the object there is no block blob but an append or page blob, which this library does not write; delete it first"),
            "InvalidRange" => (InvalidArgument, false, "the range lies outside the object"),
            "LeaseIdMissing" or "LeaseIdMismatchWithBlobOperation" or "LeaseIdMismatchWithContainerOperation" => (Precondition, false,
                "another program holds a lease on it; try when that is released"),
            "SnapshotsPresent" => (Precondition, false, "the object has snapshots; set option delete_snapshots to delete them with it"),
            "BlobImmutableDueToPolicy" or "ContainerImmutabilityPolicyExists" or "BlobImmutable" => (PermissionDenied, false,
                "an immutability policy protects it"),
            "BlobArchived" or "BlobBeingRehydrated" => (Unavailable, false,
                "the object is in the archive tier; move it to hot or cool and wait until that is done"),
            "NoPendingCopyOperation" or "PendingCopyOperation" or "CannotVerifyCopySource" => (Unavailable, false,
                $"the copy cannot go on: {Message}"),
            "Md5Mismatch" or "Crc64Mismatch" or "InvalidMd5" => (ChecksumMismatch, true, DamagedOnTheWay),
            "MetadataTooLarge" => (InvalidArgument, false,
                "the metadata is too large: at most 8 KiB, names and what this library keeps there included"),
            "RequestBodyTooLarge" => (InvalidArgument, false, "the part is larger than the service takes; set option part_size lower"),
            "AccountQuotaExceeded" or "InsufficientStorage" or "AccountLimitExceeded" => (OutOfSpace, false,
                $"a quota is used up: {Message}"),
            "ServerBusy" => (Unavailable, true, "the service asks to slow down"),
            "OperationTimedOut" => (ErrorKind.Timeout, true, "the service did not get it done in its own time"),
            "InternalError" => (Unavailable, true, "the service failed"),
            "FeatureNotSupported" when Message.Contains("crc64", StringComparison.OrdinalIgnoreCase) => (InvalidArgument, false,
                "this server does not check transfers by CRC64; set option transfer_check to md5"),
            "FeatureNotSupported" or "FeatureVersionMismatch" or "UnsupportedHeader" => (InvalidArgument, false,
                $"the server does not have this: {Message}"),
            _ => ByStatus(),
        };
    }

    protected override (ErrorKind Kind, bool Transient, string Detail) OfStatus() => Status switch
    {
        409 => (ErrorKind.Unavailable, false, "another request for the same object is under way"),
        413 => (ErrorKind.InvalidArgument, false, "the part is larger than the service takes; set option part_size lower"),
        501 => (ErrorKind.InvalidArgument, false, "the server does not have this"),
        _ => base.OfStatus(),
    };

    bool IsExpiredToken => AuthenticationDetail.Contains("expired", StringComparison.OrdinalIgnoreCase)
        || Message.Contains("expired", StringComparison.OrdinalIgnoreCase);

    /// <summary>When the signature that was refused ended by its own words, where that has passed at the service.</summary>
    DateTimeOffset? EndedSignature(AzureAccount account, TimeProvider clock) =>
        (RefusesLogin || Code == "AuthorizationFailure")
        && account.Credential is SasCredential { End: { } end } && end <= (ServerTime ?? clock.GetUtcNow()) ? end : null;

    string? Skewed(TimeProvider clock) => ClockOffset(clock) is { } off && off.Duration() >= Tolerance ? ClockIsOff(off) : null;

    static string FirstLine(string text) => text.AsSpan().IndexOfAny('\r', '\n') is var end && end >= 0 ? text[..end] : text;
}
