"""What a password must be like: Django's validators with sentences of our own."""

from django.contrib.auth import password_validation as django_validators

LEAST = 8  # characters
HELP = (
    f"At least {LEAST} characters, not only digits, and not like the user name. Common passwords are refused."
)


class Length(django_validators.MinimumLengthValidator):
    def __init__(self):
        super().__init__(LEAST)

    def get_error_message(self):
        return f"This password has fewer than {LEAST} characters. Choose a longer one."


class NotPersonal(django_validators.UserAttributeSimilarityValidator):
    def get_error_message(self):
        return "This password is too much like the user name, name or email address. Choose another one."


class NotCommon(django_validators.CommonPasswordValidator):
    def get_error_message(self):
        return "This password is one of the most common ones. Choose another one."


class NotOnlyDigits(django_validators.NumericPasswordValidator):
    def get_error_message(self):
        return "This password has only digits. Add letters or signs."
