using System.Globalization;
using S3dlio.Http;

namespace S3dlio.Storage.Remote;

/// <summary>An answer that is a refusal.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Code">The service's name for the error; empty where it gave none.</param>
/// <param name="Message">The service's own words.</param>
abstract record ServiceError(int Status, string Code, string Message)
{
    /// <summary>Error documents have a few hundred bytes.</summary>
    protected const int Limit = 256 << 10;

    public string? RequestId { get; init; }

    public DateTimeOffset? ServerTime { get; init; }

    public TimeSpan? RetryAfter { get; init; }

    /// <summary>What the server should be, with its article, for messages.</summary>
    protected abstract string Service { get; }

    /// <summary>The service's word for a container.</summary>
    protected abstract string Container { get; }

    protected HttpFailure ToFailure(
        string subject, (ErrorKind Kind, bool Transient, string Detail) what, ErrorReason reason, bool throttled)
    {
        string name = Code.Length > 0 ? Code : Status.ToString(CultureInfo.InvariantCulture);
        string id = RequestId is { Length: > 0 } ? $" [{name}, request {RequestId}]" : $" [{name}]";
        return new HttpFailure(new StoreException(what.Kind, subject, what.Detail + id) { Reason = reason })
        {
            Transient = what.Transient,
            Throttled = throttled,
            // a server that fails inside may have done the work before
            OutcomeUnknown = Status >= 500 && !throttled,
            RetryAfter = RetryAfter,
            Status = Status,
            Code = Code,
        };
    }

    /// <summary>What a status means where the code says nothing; the service's own words where it sent some with an unknown code.</summary>
    protected (ErrorKind Kind, bool Transient, string Detail) ByStatus()
    {
        var (kind, transient, detail) = OfStatus();
        return (kind, transient, Code.Length > 0 && Message.Length > 0 ? Message : detail);
    }

    protected virtual (ErrorKind Kind, bool Transient, string Detail) OfStatus() => Status switch
    {
        400 => (ErrorKind.InvalidArgument, false, "the server refused the request"),
        401 => (ErrorKind.Authentication, false, "the server wants credentials"),
        403 => (ErrorKind.PermissionDenied, false, "access is denied: the credentials are known but not allowed to do this"),
        404 => (ErrorKind.NotFound, false, $"no such object or {Container}"),
        405 => (ErrorKind.InvalidArgument, false, $"the server does not allow this; check endpoint_url: is it {Service}?"),
        408 => (ErrorKind.Timeout, true, "the server saw no data for too long"),
        412 => (ErrorKind.Precondition, false, "the object is not the one that the condition asks for"),
        416 => (ErrorKind.InvalidArgument, false, "the range lies outside the object"),
        429 => (ErrorKind.Unavailable, true, "the server asks to slow down"),
        500 or 502 or 503 or 504 => (ErrorKind.Unavailable, true, $"the server failed with status {Status}"),
        507 => (ErrorKind.OutOfSpace, false, "the server is full"),
        >= 500 => (ErrorKind.Unavailable, false, $"the server failed with status {Status}"),
        _ => (ErrorKind.InvalidArgument, false, $"the server answered with status {Status}; check endpoint_url: is it {Service}?"),
    };

    /// <summary>By how much this machine's clock is off, where the server's is known.</summary>
    protected TimeSpan? ClockOffset(TimeProvider clock) => clock.GetUtcNow() - ServerTime;

    protected static string ClockIsOff(TimeSpan off) => string.Create(CultureInfo.InvariantCulture,
        $"this machine's clock is {off.Duration().TotalMinutes:0.#} minutes {(off > TimeSpan.Zero ? "fast" : "slow")}; set it (such as "
        + $"with NTP): signatures hold for 15 minutes");

    protected const string DamagedOnTheWay =
        "the bytes that arrived are not those that were sent: they were damaged on the way, or changed in memory meanwhile";
}
