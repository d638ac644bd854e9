# The compiled core, in the order in which a message meets it:
#
#     post -> slot queue -> activation check -> pump -> logic -> emit -> route -+
#     entry     slot          drain, settle     pump   invoke   event   route  |
#                 ^-------------------------------------------------------------+
#
# A file may cimport only from files on its left (tests/test_surface.py checks it):
# order: status platform mutant recorder meter chance failure job group ledger count block segment ring slot typed activation lane routine timer worker layout measure portion park drain settle flush frame straight hooks detached breadth engine quiet letter overtime deadline pause view route room cargo send event key ask window judge call invoke pump stall driver inliner control census whereabouts recall trace play choose sim fault audit place entry fill post bulk snapshot
