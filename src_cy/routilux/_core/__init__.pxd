# The compiled core, in the order in which a message meets it:
#
#     post -> slot queue -> activation check -> pump -> logic -> emit -> route -+
#     entry     slot          drain, settle     pump   invoke   event   route  |
#                 ^-------------------------------------------------------------+
#
# A file may cimport only from files on its left (tests/test_surface.py checks it):
# order: status platform failure job group ledger count slot activation lane routine timer worker report park drain settle flush frame straight hooks detached engine quiet pause view route room event key ask judge call invoke pump driver control place entry post bulk snapshot
