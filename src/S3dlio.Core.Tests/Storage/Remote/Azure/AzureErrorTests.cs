using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.Azure;
using Xunit;

namespace S3dlio.Tests.Storage.Remote.Azure;

public class AzureErrorTests
{
    static readonly DateTimeOffset Now = new(2025, 6, 1, 12, 0, 0, TimeSpan.Zero);

    static StoreException Error(int status, string code, AzureCredential? credential = null, TimeSpan? skew = null, string why = "")
    {
        var account = new AzureAccount(
            "acct", "https://acct.blob.core.windows.net", credential ?? new SharedKeyCredential("acct", [1], "option account_key"), true);
        var request = new RemoteRequest(HttpMethod.Get, "box", "key", "az://acct/box/key");
        var error = new AzureError(status, code, "what the service says")
        {
            RequestId = "id-1",
            ServerTime = Now - (skew ?? TimeSpan.Zero),
            AuthenticationDetail = why
        };
        return error.ToFailure(request, account, new Clock()).Error;
    }

    [Theory]
    [InlineData(403, "AuthenticationFailed", ErrorKind.Authentication, "option account_key")]
    [InlineData(403, "AuthorizationPermissionMismatch", ErrorKind.PermissionDenied, "Storage Blob Data Contributor")]
    [InlineData(404, "ContainerNotFound", ErrorKind.NotFound, "no such container 'box'")]
    [InlineData(404, "BlobNotFound", ErrorKind.NotFound, "no such object")]
    [InlineData(409, "BlobAlreadyExists", ErrorKind.AlreadyExists, "overwrite is off")]
    [InlineData(412, "ConditionNotMet", ErrorKind.Precondition, "written since")]
    [InlineData(409, "AccountBeingCreated", ErrorKind.Unavailable, "'acct'")]
    [InlineData(409, "ContainerBeingDeleted", ErrorKind.Unavailable, "try later")]
    [InlineData(503, "ServerBusy", ErrorKind.Unavailable, "slow down")]
    [InlineData(400, "InvalidBlockList", ErrorKind.Precondition, "write again")]
    [InlineData(400, "Crc64Mismatch", ErrorKind.ChecksumMismatch, "damaged")]
    [InlineData(400, "MetadataTooLarge", ErrorKind.InvalidArgument, "8 KiB")]
    [InlineData(400, "NeverHeardOf", ErrorKind.InvalidArgument, "what the service says")]
    [InlineData(502, "", ErrorKind.Unavailable, "502")]
    public void ToFailure_KnownCode_KindAndAdvice(int status, string code, ErrorKind kind, string says)
    {
        var error = Error(status, code);
        Assert.Equal(kind, error.Kind);
        Assert.Contains(says, error.Detail, StringComparison.Ordinal);
        Assert.Contains("request id-1", error.Detail, StringComparison.Ordinal);
        Assert.StartsWith("az://acct/box/key: ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(61, "61 minutes fast")]
    [InlineData(-90, "90 minutes slow")]
    public void ToFailure_ClockIsOff_SaysByHowMuch(int minutes, string says) =>
        Assert.Contains(says, Error(403, "AuthenticationFailed", skew: TimeSpan.FromMinutes(minutes)).Detail, StringComparison.Ordinal);

    [Theory]
    [InlineData(403, "AuthenticationFailed", "se=2025-06-01T11%3A59%3A59Z", true)]
    [InlineData(403, "AuthorizationFailure", "se=2025-06-01T11:59:59Z", true)]
    [InlineData(403, "AuthorizationFailure", "se=2025-06-01", true)]
    [InlineData(403, "AuthenticationFailed", "se=2025-06-01T12:00:01Z", false)]
    [InlineData(403, "AuthenticationFailed", "si=policy", false)]
    [InlineData(403, "AuthorizationPermissionMismatch", "se=2025-06-01T11:59:59Z", false)]
    public void ToFailure_SignatureEnded_SaysWhen(int status, string code, string end, bool ended)
    {
        var error = Error(status, code, new SasCredential($"sv=2020-08-04&{end}&sig=c2VjcmV0", "option sas_token"));
        Assert.Equal(ended, error.Reason == ErrorReason.ExpiredCredentials);
        Assert.Equal(ended, error.Detail.Contains("ended at 2025-06-01", StringComparison.Ordinal));
        Assert.DoesNotContain("c2VjcmV0", error.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, "InvalidAuthenticationInfo", "Lifetime validation failed. The token is expired.", ErrorReason.ExpiredCredentials)]
    [InlineData(403, "AuthenticationFailed", "Lifetime validation failed. The token is expired.", ErrorReason.ExpiredCredentials)]
    [InlineData(401, "InvalidAuthenticationInfo", "Issuer validation failed.", ErrorReason.None)]
    [InlineData(401, "", "", ErrorReason.None)]
    public void ToFailure_TokenIsRefused_SaysWhy(int status, string code, string why, ErrorReason reason)
    {
        var error = Error(status, code, new BearerCredential(new AccessTokens(null)), why: why);
        Assert.Equal((ErrorKind.Authentication, reason), (error.Kind, error.Reason));
        Assert.Contains(why.TrimEnd('.'), error.Detail, StringComparison.Ordinal);
        Assert.Contains("az login", error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void ToFailure_KeyIsRefused_DoesNotRepeatWhatWasSigned() =>
        Assert.DoesNotContain(
            "GET", Error(403, "AuthenticationFailed", why: "The string to sign was GET").Detail, StringComparison.Ordinal);

    [Fact]
    public void Parse_Document_LeavesOutWhatWasSigned()
    {
        const string text =
            "\uFEFF<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>AuthenticationFailed</Code><Message>Server "
            + "failed.\nRequestId:1\nTime:2</Message>"
            + "<AuthenticationErrorDetail>The MAC signature 'c2VjcmV0' is not the same</AuthenticationErrorDetail></Error>";
        var error = AzureError.Parse(403, null, Encoding.UTF8.GetBytes(text));
        Assert.Equal(("AuthenticationFailed", "Server failed."), (error.Code, error.Message));
        Assert.DoesNotContain("c2VjcmV0", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html><body>Bad gateway<br></body></html>")]
    [InlineData("<Error><Code>Cut")]
    [InlineData("")]
    public void Parse_NoDocumentOfTheService_StatusDecides(string text) =>
        Assert.Equal("", AzureError.Parse(502, null, Encoding.UTF8.GetBytes(text)).Code);

    sealed class Clock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Now;
    }
}
